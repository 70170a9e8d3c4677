"""Workers come, go, die and wake up again: each partition has one owner, and its values never run backwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration import views
from tests.integration.deployment import Deployment, Process
from tests.integration.polling import until
from tests.integration.producing import Sender
from tests.integration.watching import Watcher
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration

SETTINGS = {"HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z", "HEADRACE_STATE__MAX_EVENTS": "500"}
PARTITIONS = 3
TASKS = 3 * PARTITIONS  # of the topic, and of the repartition topics of two views


class Flow:
    """A deployment under load: `send` produces the next payments, `right` waits until Redis has them all."""

    def __init__(self, folder: Path, real: RealComponents) -> None:
        self.deployment = Deployment(folder, real, "payments", {"payments": PARTITIONS}, SETTINGS)
        self.sender = Sender(real.kafka)
        self._events = iter(views.payments(10_000, seed=3))
        self.workers = 0

    def worker(self, share: int = 1) -> Process:
        """Another worker, once it has opened a share of all partitions: one of so many workers."""
        self.workers += 1
        process = self.deployment.start("worker", state=f"state-{self.workers}")
        until("an open worker", lambda: opened(process) >= TASKS // share or not process.running)
        assert process.running, process.log_tail()
        return process

    def send(self, count: int = 1_000) -> None:
        events = [next(self._events) for _ in range(count)]
        self.sender.send_all(self.deployment.topics["payments"], views.SCHEMA, "user_id", events)

    def right(self) -> None:
        def look() -> bool:
            self.last = views.wrong(self.deployment.features, self.sender.sent, lambda view, sent: views.NOW)
            return not self.last

        try:
            until("values that equal the recomputation", look)
        except AssertionError as error:
            logs = "\n".join(f"--- {p.log.parent.name}\n{p.log_tail()}" for p in self.deployment.processes)
            raise AssertionError(f"{error}\n" + "\n".join(self.last[:10]) + "\n" + logs) from None

    def watch(self) -> Watcher:
        merchants = [views.text(m) for m in views.MERCHANTS]
        return Watcher(self.deployment, "by_merchant@2", merchants, "payments_ever")


def opened(process: Process) -> int:
    """How often it opened a partition."""
    return process.text.count("open at offset")


def rebalances(process: Process) -> int:
    """How often its group has begun to share its partitions out anew."""
    return process.text.count("the group rebalances")


def test_workers_join_and_leave_by_sigterm_and_by_sigkill(real: RealComponents, tmp_path: Path) -> None:
    flow = Flow(tmp_path, real)
    with flow.deployment, flow.watch() as reader:
        flow.send()
        first = flow.worker()
        flow.send()
        second = flow.worker(share=PARTITIONS)
        flow.send()
        second.terminate()
        flow.send()
        second.ended_well()
        third = flow.worker(share=PARTITIONS)
        flow.send()
        third.kill()
        flow.send()
        flow.right()
        first.terminate()
        first.ended_well()
        assert set(flow.deployment.lag().values()) == {0}
    assert reader.backwards == []


def test_a_worker_that_slept_through_its_session_changes_nothing(
    real: RealComponents, tmp_path: Path
) -> None:
    flow = Flow(tmp_path, real)
    with flow.deployment, flow.watch() as reader:
        flow.send()
        zombie = flow.worker()
        heir = flow.worker(share=PARTITIONS)
        flow.right()
        flow.send()
        zombie.pause()
        flow.send()
        before = opened(heir)
        until("the heir takes over", lambda: opened(heir) > before)
        flow.send()
        flow.right()
        zombie.resume()
        flow.send()
        flow.right()
        heir.terminate()
        heir.ended_well()
        flow.send()
        flow.right()
        zombie.terminate()
        zombie.ended_well()
    assert reader.backwards == []


def test_sigterm_while_the_group_rebalances(real: RealComponents, tmp_path: Path) -> None:
    flow = Flow(tmp_path, real)
    with flow.deployment:
        flow.send()
        first = flow.worker()
        second = flow.worker(share=PARTITIONS)
        before = rebalances(first)
        second.pause()  # the group waits for it until its session has ended
        third = flow.deployment.start("worker", state="state-3")
        until("a rebalance", lambda: rebalances(first) > before)
        first.terminate()
        first.ended_well()
        second.resume()
        flow.send()
        flow.right()
        for process in (second, third):
            process.terminate()
            process.ended_well()


def test_sigterm_under_load_drains_and_commits(real: RealComponents, tmp_path: Path) -> None:
    flow = Flow(tmp_path, real)
    with flow.deployment:
        worker = flow.worker()
        flow.send(3_000)
        until("the first values", lambda: flow.deployment.features("by_user@1"))
        worker.terminate()
        flow.send(1_000)
        worker.ended_well()
        positions = flow.deployment.committed()
        again = flow.deployment.run("worker", state="state-1")
        for (topic, partition), offset in positions.items():
            assert again.said(f"{topic}[{partition}]: open at offset {offset},"), again.text
        flow.right()
        assert set(flow.deployment.lag().values()) == {0}
