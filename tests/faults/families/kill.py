"""`kill -9`: at each step of a flush, at random times, with the state folder gone, and without a successor."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from functools import partial

from tests.faults.fault import Fault
from tests.faults.scene import Scene
from tests.integration.deployment import Process

STEPS = ("after_changelog", "after_rocksdb", "after_redis")
COMMIT_STEPS = ("before_commit", "after_commit")


def at_step(scene: Scene, step: str) -> None:
    """Three lives that each end at `step` of some flush, the first ones included; then one that goes on."""
    scene.workers["w1"].kill()
    for most in (1, 5, 30):
        process = scene.worker(failpoint=f"{step}:{scene.rng.randint(1, most)}")
        ended_by_kill(scene, process, step)
    scene.healed()
    scene.worker()


def at_commit(scene: Scene, step: str) -> None:
    """The same for the process that keeps history."""
    scene.histories["h1"].kill()
    for most in (1, 3):
        process = scene.history(failpoint=f"{step}:{scene.rng.randint(1, most)}")
        ended_by_kill(scene, process, step)
    scene.healed()
    scene.history()


def ended_by_kill(scene: Scene, process: Process, step: str) -> None:
    code = process.ended(scene.fault.seconds)
    assert code == -signal.SIGKILL, f"{step}: ended with {code}:\n{process.log_tail(30)}"


def ten_in_a_row(scene: Scene) -> None:
    """Killed up to two seconds after it was launched or after it opened its first partition, ten times."""
    for _ in range(10):
        process = scene.worker_anew("w1")
        if scene.rng.random() < 0.7:
            scene.until("an open partition", partial(scene.opened, process))
        scene.last(scene.rng.uniform(0, 2))
    scene.worker_anew("w1")
    scene.healed()


def folder_deleted(scene: Scene) -> None:
    """Its disk dies with it: the successor has nothing but the changelog. Twice."""
    for _ in range(2):
        scene.retire("w1").kill()
        shutil.rmtree(scene.folder / "state-w1")
        scene.flow(50, 200)
        scene.worker()
        scene.fresh()
    scene.healed()


def heir_takes_over(scene: Scene) -> None:
    """One of two dies for good; the other has its partitions once the session has ended."""
    slot = scene.rng.choice(["w1", "w2"])
    (heir,) = [p for s, p in scene.workers.items() if s != slot]
    before = scene.opened(heir)
    scene.retire(slot).kill()
    scene.until("the heir opens more", lambda: scene.opened(heir) > before)
    scene.healed()


def _step(step: str, inject: Callable[[Scene, str], None]) -> Fault:
    return Fault("kill -9", f"at {step}", lambda scene: inject(scene, step))


FAULTS = (
    *(_step(step, at_step) for step in STEPS),
    *(_step(step, at_commit) for step in COMMIT_STEPS),
    Fault("kill -9", "ten in a row", ten_in_a_row),
    Fault("kill -9", "state folder deleted", folder_deleted),
    Fault("kill -9", "no successor", heir_takes_over, workers=2),
)
