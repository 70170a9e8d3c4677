"""Values are true though nothing arrives: they fall when events leave their window, and go at the end of the ttl."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import redis

from tests.integration.deployment import Deployment
from tests.integration.polling import until
from tests.integration.producing import Sender
from tests.stack.components import Components

pytestmark = pytest.mark.integration

RISEN = {"visits_12s": "3", "ms_12s": "60", "visits_ever": "3"}
FALLEN = {"visits_12s": "0", "ms_12s": "0", "visits_ever": "3"}


def send(deployment: Deployment, sender: Sender) -> None:
    """Three visits of now, spread over no time at all."""
    now = time.time_ns() // 1_000_000
    for ms in (10, 20, 30):
        event = {"user": "ann", "page": "home", "at": now, "ms": ms}
        sender.send(deployment.topics["visits"], b"ann", json.dumps(event).encode())
    sender.flush()


def shown(deployment: Deployment) -> list[dict[str, str] | None]:
    """What Redis has of the user, of the page, and of the user that passes."""
    places = (("by_user@1", "ann"), ("by_page@1", "home"), ("passing@1", "ann"))
    return [deployment.features(view).get(key) for view, key in places]


def test_values_fall_and_keys_expire_though_nothing_arrives(components: Components, tmp_path: Path) -> None:
    with Deployment(tmp_path, components, "visits", {"visits": 2}) as deployment:
        sender = Sender(components.kafka)
        worker = deployment.start("worker")
        until("an open worker", lambda: worker.text.count("open at offset") >= 4)
        send(deployment, sender)
        until("all rise", lambda: shown(deployment) == [RISEN] * 3, 90)
        with redis.Redis.from_url(components.redis_url) as client:
            assert 0 < client.pttl(f"{deployment.project}:passing@1:ann") <= 20_000  # type: ignore[operator]
            assert client.pttl(f"{deployment.project}:by_user@1:ann") == -1
        until("all fall", lambda: shown(deployment)[:2] == [FALLEN] * 2, 90)
        until("an entity of nothing goes", lambda: deployment.features("fleeting@1") == {}, 90)
        until("the ttl ends", lambda: deployment.features("passing@1") == {}, 90)

        send(
            deployment, sender
        )  # a lifetime begins anew where a ttl has ended, and goes on where there is none
        until("a new life", lambda: deployment.features("passing@1").get("ann") == RISEN, 90)
        again = {"visits_12s": "3", "ms_12s": "60", "visits_ever": "6"}
        until("the same life", lambda: deployment.features("by_user@1").get("ann") == again, 90)
        worker.terminate()
        worker.ended_well()


def test_values_fell_while_no_worker_ran(components: Components, tmp_path: Path) -> None:
    with Deployment(tmp_path, components, "visits", {"visits": 2}) as deployment:
        send(deployment, Sender(components.kafka))
        deployment.run("worker", idle="300ms")
        assert deployment.features("by_user@1")["ann"]["visits_ever"] == "3"
        sent = time.time()
        until("the window has passed", lambda: time.time() > sent + 13, 60)
        deployment.run("worker")
        assert deployment.features("by_user@1") == {"ann": FALLEN}
        assert deployment.features("by_page@1") == {"home": FALLEN}
