"""Warm copies: who takes a partition over reads only what its copy lacks, and nothing else is different."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration import views
from tests.integration.deployment import Deployment, Process
from tests.integration.polling import until
from tests.integration.producing import Sender
from tests.integration.watching import Watcher
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration

SETTINGS = {
    "HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z",
    "HEADRACE_STATE__MAX_EVENTS": "100",
    "HEADRACE_ENGINE__STANDBY": "1",
}
PARTITIONS = 3
TASKS = 3 * PARTITIONS  # of the topic, and of the repartition topics of two views
TABLES = 7 * PARTITIONS  # three views where they are read, two shuffled, and what of each of these was sent


def restores(text: str) -> dict[str, int]:
    """Partition -> changelog records read when it was opened last, from a worker's log."""
    return {name: int(n) for name, n in re.findall(r" (\S+): restored, (\d+) changelog records read", text)}


def opened(process: Process) -> int:
    return process.text.count("open at offset")


def test_a_standby_takes_over_and_reads_only_the_rest(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path / "d", real, "payments", {"payments": PARTITIONS}, SETTINGS) as deployment:
        sender = Sender(real.kafka)
        events = views.payments(8_000, seed=6)

        def send(count: int) -> None:
            mine, events[:] = events[:count], events[count:]
            sender.send_all(deployment.topics["payments"], views.SCHEMA, "user_id", mine)

        def right() -> bool:
            return not views.wrong(deployment.features, sender.sent, lambda view, sent: views.NOW)

        def copies(of: int) -> list[dict[str, int]]:
            """The warm copies of all workers, once there are so many and all are in step."""

            def look() -> list[dict[str, int]] | None:
                found = [s for w in deployment.ask("status")["workers"] for s in w["standbys"]]
                return found if len(found) == of and not any(s["lag"] for s in found) else None

            return until("copies in step", look) or []

        first = deployment.start("worker", state="one")
        until("all of it", lambda: opened(first) >= TASKS)
        second = deployment.start("worker", state="two")
        until("a share", lambda: opened(second) >= TASKS // PARTITIONS)
        with Watcher(deployment, "by_user@1", [str(u) for u in range(20)], "payments_ever") as reader:
            for _ in range(6):
                send(500)
                until("right values", right)
            assert len(copies(TABLES)) == TABLES
            before, held = len(second.text), set(restores(second.text))
            first.kill()
            send(200)
            until("right values", right)
            taken = restores(second.text[before:])
            assert taken.keys() - held  # some that it had never opened
        assert reader.backwards == []
        second.terminate()
        second.ended_well()

        cold = deployment.run("worker", state="three", environment={"HEADRACE_ENGINE__STANDBY": "0"})
        whole = restores(cold.text)
        source = deployment.topics["payments"]
        for name in taken.keys() - held:
            # All tables of a source's partition have run through many flushes; a copy reads the last of them again.
            if name.startswith(f"{source}["):
                assert taken[name] < whole[name] / 3, (name, taken, whole)
        assert right()
