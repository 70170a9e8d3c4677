"""How a scene is played: start, flow, fault, settle, compare. One call, one result."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
import traceback
from pathlib import Path

import redis

from tests.faults import verdict
from tests.faults.fault import Fault
from tests.faults.ground import Ground
from tests.faults.results import Result, commit
from tests.faults.scene import TASKS, Scene
from tests.faults.topic import Order
from tests.integration.polling import until
from tests.stack.kafka import admin
from tests.stack.whole import Addresses


def play(
    fault: Fault, seed: int, addresses: Addresses, keep: Path | None = None, *, always: bool = False
) -> Result:
    """Play `fault` once. Whatever breaks is in the result's `problems`.

    The logs of a broken scene go to a folder in `keep`; with `always`, those of every scene.
    """
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="headrace-fault-"))
    result = Result(fault.family, fault.name, seed, commit())
    try:
        with Ground(addresses, fault, folder) as ground, Scene(ground, fault, seed, folder) as scene:
            try:
                _act(scene, result)
            except AssertionError as exc:
                result.problems.append(str(exc))
            except Exception:
                result.problems.append(traceback.format_exc())
            finally:
                result.sent = scene.traffic.sent
                result.backward = len(scene.reader.backward)
                result.stall = scene.reader.stall
                if scene.healed_at is not None and scene.right_at is not None:
                    result.right_after = scene.right_at - scene.healed_at
            if scene.reader.backward and not fault.rewinds:
                result.problems.append(f"values ran backwards: {scene.reader.backward[:5]}")
            if keep is not None and (result.problems or always):
                _keep_logs(
                    scene, keep / f"{fault.family}-{fault.name}-{seed}".replace(" ", "_").replace("/", "_")
                )
            _clean(scene)
    except Exception:
        result.problems.append(traceback.format_exc())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result.seconds = time.monotonic() - begun
    return result


def _act(scene: Scene, result: Result) -> None:
    fault = scene.fault
    for number in range(fault.workers):
        scene.worker(f"w{number + 1}")
    scene.history()
    scene.reader.start()
    scene.traffic.start()
    scene.until("open tasks", lambda: sum(map(scene.opened, scene.workers.values())) >= TASKS)
    scene.fresh()
    scene.reader.watch(True)
    scene.flow(200, 600)
    fault.inject(scene)
    if fault.refuses:
        _refused(scene)
    else:
        scene.settled()
        scene.flow(200)
        scene.reader.watch(False)
    scene.traffic.stop()
    _compare(scene, result)


def _refused(scene: Scene) -> None:
    """At least one worker ended by itself with 1 and the words that the fault expects; the others are stopped."""
    scene.reader.watch(False)
    workers = [*scene.workers.values(), *scene.retired]
    until("a worker that refuses", lambda: any(p.code == 1 for p in workers), scene.fault.seconds)
    refusing = next(p for p in workers if p.code == 1)
    for word in scene.fault.refuses:
        assert refusing.said(word), f"nothing of {word!r} in\n{refusing.log_tail(40)}"
    for process in workers:
        process.kill()
    scene.workers.clear()


def _compare(scene: Scene, result: Result) -> None:
    """Poll until all is right, or the deadline passes; look once more after everything was stopped; then at state."""
    fault = scene.fault
    orders, bad = verdict.on_topic(scene)
    last = verdict.Verdict()

    def look() -> bool:
        nonlocal last
        scene.alive()
        last = verdict.Verdict()
        try:
            last.add(verdict.online(scene, orders))
            if not fault.refuses:
                last.add(verdict.history(scene, orders))
            if not last.wrong:
                last.add(verdict.dead_letters(scene, bad))
        except redis.RedisError as exc:
            last.wrong.append(repr(exc))
        return not last.wrong

    deadline = time.monotonic() + fault.seconds
    while not look() and time.monotonic() < deadline:
        time.sleep(0.3)
    result.features = len(orders)
    if not last.wrong:
        processes = [*scene.workers.values(), *scene.histories.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            code = process.ended()
            unborn = code == -signal.SIGTERM and not process.text  # the interpreter itself was still starting
            if code != 0 and not unborn:
                result.problems.append(f"a process ended with {code} after SIGTERM:\n{process.log_tail(25)}")
        scene.workers.clear()
        scene.histories.clear()
        for process in scene.retired:  # a sleeper that was replaced may be there still, on its state folder
            process.kill()
        look()
    if not last.wrong and not fault.refuses:
        last.add(verdict.state(scene, orders))
    if not last.wrong and not fault.refuses:
        last.add(_taken_up(scene, orders))
    result.lost, result.twice, result.wrong = last.lost, last.twice, len(last.wrong)
    if last.wrong:
        result.problems.append("\n".join([f"{len(last.wrong)} differences", *last.wrong[:12]]))


def _taken_up(scene: Scene, orders: list[Order]) -> verdict.Verdict:
    """What a worker makes of the state: Redis is emptied, and every value must come back though nothing arrives.

    The worker has the folder that was left, or an empty one and so the changelog alone.
    """
    scene.reader.stop()
    with redis.Redis.from_url(scene.deployment.environment["HEADRACE_REDIS__URL"]) as client:
        for key in client.scan_iter(match=f"{scene.deployment.project}:*", count=10_000):
            client.delete(key)
    assert not verdict.hashes(scene, "by_shop@1")
    kept = scene.folder / "state-w1"
    worker = scene.worker(state=kept.name if kept.exists() and scene.rng.random() < 0.5 else "state-empty")
    last = verdict.Verdict()

    def look() -> bool:
        nonlocal last
        scene.alive()
        last = verdict.online(scene, orders)
        return not last.wrong

    deadline = time.monotonic() + scene.fault.seconds
    while not look() and time.monotonic() < deadline:
        time.sleep(0.3)
    worker.kill()
    scene.workers.clear()
    last.wrong = [f"a worker with that state: {line}" for line in last.wrong]
    return last


def _clean(scene: Scene) -> None:
    """End every process, and delete the scene's topics from a broker that others use too."""
    for process in scene.deployment.processes:
        process.kill()
    if scene.ground.kafka is not None:
        return
    client = admin(scene.kafka)
    project = scene.deployment.project
    mine = [t for t in client.list_topics(timeout=10).topics if f".{project}." in t or t == scene.topic]
    for future in client.delete_topics(mine, operation_timeout=15).values():
        future.exception(30)


def _keep_logs(scene: Scene, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for process in scene.deployment.processes:
        (folder / f"{process.folder.name}.log").write_text(process.text)
