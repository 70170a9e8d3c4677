"""Workers that come and go all the time, and partitions that carry very different loads."""

from __future__ import annotations

import time

from tests.faults.fault import Fault
from tests.faults.scene import Scene


def storm(scene: Scene, seconds: float) -> None:
    """Every few seconds one of three joins, leaves in good order, or dies; one stays throughout."""
    others = ["w2", "w3"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slot = scene.rng.choice(others)
        if slot not in scene.workers:
            # Without a name of its own: everybody learns of its coming at once, and of its death by silence.
            scene.worker(slot, environment={"HEADRACE_KAFKA__INSTANCE": ""})
        elif scene.rng.random() < 0.5:
            scene.retire(slot).terminate()
        else:
            scene.retire(slot).kill()
        scene.last(scene.rng.uniform(2, 6))
    scene.healed()


def uneven(scene: Scene) -> None:
    """Nine of ten orders are of one customer; the partitions move from one to two workers and back."""
    scene.worker("w2", environment={"HEADRACE_KAFKA__INSTANCE": ""})
    scene.until("a share for the second", lambda: scene.opened(scene.workers["w2"]))
    scene.flow(300, 900)
    scene.stop("w2")
    scene.healed()


FAULTS = (
    Fault("rebalance storm", "half a minute", lambda scene: storm(scene, 30)),
    Fault("rebalance storm", "two minutes", lambda scene: storm(scene, 120), ci=False),
    Fault("rebalance storm", "uneven partitions", uneven, rate=800, hot=0.9),
)
