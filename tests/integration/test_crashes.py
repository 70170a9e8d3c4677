"""A worker killed at any step of a flush, on its own state or on another machine: nothing lost, nothing twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration import views
from tests.integration.deployment import Deployment
from tests.integration.producing import Sender
from tests.integration.watching import Watcher
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration

SETTINGS = {
    "HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z",
    "HEADRACE_STATE__MAX_EVENTS": "250",
    "HEADRACE_KAFKA__INSTANCE": "only",  # the group need not wait for the one that was killed
}
STEPS = ["after_changelog:2", "after_rocksdb:3", "after_redis:2", "after_changelog:1", "after_rocksdb:1"]


@pytest.mark.parametrize("folder", ["kept", "deleted"])
def test_a_worker_killed_at_every_step_of_a_flush(real: RealComponents, tmp_path: Path, folder: str) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 3}, SETTINGS) as deployment:
        sender = Sender(real.kafka)
        topic = deployment.topics["payments"]
        events = views.payments(6_000, seed=2)
        poison = [sender.send(topic, b"1", b"\xff" * 20) for _ in range(5)]
        merchants = [views.text(m) for m in views.MERCHANTS]
        with Watcher(deployment, "by_merchant@2", merchants, "payments_ever") as reader:
            for number, step in enumerate([*STEPS, None]):
                part = events[1_000 * number : 1_000 * (number + 1)]
                sender.send_all(topic, views.SCHEMA, "user_id", part)
                poison.append(sender.send(topic, b"2", b"\xff" * 20))
                state = "state" if folder == "kept" else f"state-{number}"
                worker = deployment.start("worker", "--until-idle", "1s", state=state, failpoint=step)
                assert worker.ended() == (-signal.SIGKILL if step else 0), worker.log_tail()
        sender.flush()

        assert views.wrong(deployment.features, sender.sent, lambda view, sent: views.NOW) == []
        assert reader.reads > 10
        assert reader.backwards == []
        letters = deployment.dead_letters()
        assert sorted((x["partition"], x["offset"]) for x in letters) == sorted(
            (p.partition, p.offset) for p in poison
        )
        assert set(deployment.lag().values()) == {0}
