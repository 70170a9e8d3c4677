"""Stopping on purpose: SIGTERM under load, and three workers restarted one after the other."""

from __future__ import annotations

from tests.faults.fault import Fault
from tests.faults.scene import Scene


def sigterm(scene: Scene) -> None:
    """Twice: it drains, commits and ends with 0, and its successor goes on."""
    for _ in range(2):
        scene.stop("w1")
        scene.worker()
        scene.fresh()
    scene.healed()


def rolling(scene: Scene) -> None:
    """Three workers, each stopped and started again under its own name before the next."""
    for slot in scene.rng.sample(sorted(scene.workers), 3):
        scene.stop(slot)
        scene.worker(slot)
        scene.fresh()
    scene.healed()


FAULTS = (
    Fault("graceful stop", "SIGTERM under load", sigterm),
    Fault("graceful stop", "rolling restart of three", rolling, workers=3),
)
