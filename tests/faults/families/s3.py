"""S3: errors, silence, cut uploads, lost acknowledgements, an outage, and two writers that both believe."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.faults.fault import Fault, Own
from tests.faults.scene import Scene
from tests.integration.history import stored
from tests.stack.front import S3Front, Verdict

OWN: frozenset[Own] = frozenset({"s3"})


def front(scene: Scene) -> S3Front:
    """What stands before S3."""
    assert scene.ground.front is not None
    return scene.ground.front


def is_commit(method: str, path: str) -> bool:
    """Whether a request makes a commit of the Delta table."""
    return method == "PUT" and "/_delta_log/" in path


def sometimes(scene: Scene, verdict: Verdict, share: float) -> Callable[[str, str], Verdict]:
    """A rule that hits a share of all requests."""
    rng = random.Random(scene.rng.random())
    return lambda method, path: verdict if rng.random() < share else "pass"


def failing(scene: Scene, rule: Callable[[str, str], Verdict], events: int = 3_000) -> None:
    """Fail by a rule while events flow; the features must not notice."""
    between = front(scene)
    before = sum(between.counts[v] for v in ("refuse", "hang", "cut", "lose"))
    between.fail(rule)
    scene.flow(events)
    scene.until(
        "a request that failed",
        lambda: sum(between.counts[v] for v in ("refuse", "hang", "cut", "lose")) > before,
    )
    scene.fresh()
    between.heal()
    scene.healed()


def errors(scene: Scene) -> None:
    """503 to two requests of three, then to all."""
    failing(scene, sometimes(scene, "refuse", 0.67))
    failing(scene, lambda method, path: "refuse")


def silence(scene: Scene) -> None:
    """No answer to anything."""
    failing(scene, lambda method, path: "hang")


def cut_uploads(scene: Scene) -> None:
    """Every other upload of a file or of a commit is cut in the middle."""
    rng = random.Random(scene.rng.random())
    failing(scene, lambda method, path: "cut" if method in ("PUT", "POST") and rng.random() < 0.5 else "pass")


def lost_answers(scene: Scene) -> None:
    """Commits are made, and the answer is lost: of every other, then of all for a while."""
    rng = random.Random(scene.rng.random())
    failing(scene, lambda method, path: "lose" if is_commit(method, path) and rng.random() < 0.5 else "pass")
    failing(scene, lambda method, path: "lose" if is_commit(method, path) else "pass", events=1_500)


def lost_and_killed(scene: Scene) -> None:
    """The answer to a commit is lost, and the process dies before it can look."""
    between = front(scene)
    for _ in range(2):
        before = between.counts["lose"]
        between.fail(lambda method, path: "lose" if is_commit(method, path) else "pass")
        scene.until("a lost answer", lambda before=before: between.counts["lose"] > before)  # type: ignore[misc]
        scene.histories["h1"].kill()
        between.heal()
        scene.history()
        scene.flow(400, 1_200)
    scene.healed()


def two_writers(scene: Scene) -> None:
    """One sleeps through its session with events at hand; another goes on; then both run."""
    sleeper = scene.histories["h1"]
    sleeper.pause()
    try:
        heir = scene.history("h2")
        scene.until("the heir", lambda: heir.said("history continues at offset"))
        uri, options = scene.history_table
        before = stored(uri, options).height
        scene.until("the heir's first commit", lambda: stored(uri, options).height > before)
    finally:
        sleeper.resume()
    scene.healed()
    scene.flow(400, 1_200)


def away(scene: Scene) -> None:
    """The server is gone for half a minute."""
    assert scene.ground.s3 is not None
    scene.ground.s3.kill()
    scene.last(30)
    scene.fresh()
    scene.ground.s3.start()
    scene.healed()


FAULTS = (
    Fault("s3", "500s", errors, own=OWN),
    Fault("s3", "time-outs", silence, own=OWN),
    Fault("s3", "cut uploads", cut_uploads, own=OWN),
    Fault("s3", "lost acknowledgement of the commit", lost_answers, own=OWN),
    Fault("s3", "lost acknowledgement, then kill -9", lost_and_killed, own=OWN),
    Fault("s3", "two writers", two_writers, own=OWN),
    Fault("s3", "away for half a minute", away, own=OWN),
)
