"""Zombies: a worker that sleeps through its session, wakes up, and does not know yet that it owns nothing."""

from __future__ import annotations

from tests.faults.fault import Fault
from tests.faults.scene import Scene


def taken_over(scene: Scene) -> None:
    """SIGSTOP past the session time-out while another takes over; SIGCONT: both go on."""
    slot = scene.rng.choice(["w1", "w2"])
    zombie = scene.workers[slot]
    (heir,) = [p for s, p in scene.workers.items() if s != slot]
    before = scene.opened(heir)
    zombie.pause()
    try:
        scene.until("the heir takes over", lambda: scene.opened(heir) > before)
        scene.flow(200, 800)
    finally:
        zombie.resume()
    scene.healed()


def replaced(scene: Scene) -> None:
    """Somebody starts it again elsewhere, under its own name and with an empty state folder; then it wakes up.

    The zombie may end by itself, since its name is another's now; it must not change anything.
    """
    zombie = scene.workers["w1"]
    zombie.pause()
    try:
        heir = scene.worker("w1", state="state-elsewhere")
        scene.until("the heir takes over", lambda: scene.opened(heir))
        scene.fresh()
        scene.flow(100, 400)
    finally:
        zombie.resume()
    scene.healed()
    scene.flow(400)


def naps(scene: Scene) -> None:
    """Pauses that end within the session: nobody takes over, nothing happens twice."""
    for _ in range(6):
        process = scene.rng.choice(list(scene.workers.values()))
        process.pause()
        try:
            scene.last(scene.rng.uniform(0.2, 3))
        finally:
            process.resume()
        scene.flow(50, 300)
    scene.healed()


FAULTS = (
    Fault("zombie", "taken over", taken_over, workers=2),
    Fault("zombie", "replaced under its own name", replaced),
    Fault("zombie", "naps", naps, workers=2),
)
