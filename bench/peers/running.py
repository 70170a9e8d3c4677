"""Runs a job on any engine and measures it, or waits for its windows. It knows no engine by name."""

from __future__ import annotations

import time

from bench.measuring import Rate, Sample, cpu_of, rss_of, steady, tree
from bench.peers.engine import Engine, EngineError, Job, Running, Windows

EVERY = 0.2  # seconds between two looks
STALLED = 60.0  # seconds without an event


def timed(engine: Engine, job: Job, share: tuple[float, float] | None = None) -> Rate:
    """The rates of one run, between two shares of its events: the engine's own if none are given."""
    running = engine.start(job)
    try:
        return steady(_samples(engine, running, job), share or engine.share)
    finally:
        running.stop()


def shown(engine: Engine, job: Job, expected: Windows) -> Windows:
    """The windows of SHOWN after the whole topic; returns as soon as they are as many and as full as expected."""
    running, newest = engine.start(job), max(expected)
    try:
        end = time.monotonic() + job.task.seconds + 90.0
        wanted = {start: w.events for start, w in complete(engine, expected, newest).items()}
        while time.monotonic() < end:
            running.count()
            found = running.windows()
            if (
                found is not None
                and {start: w.events for start, w in complete(engine, found, newest).items()} == wanted
            ):
                break
            time.sleep(0.5)
    finally:
        running.stop()
    return complete(engine, running.windows() or {}, newest)


def complete(engine: Engine, windows: Windows, newest: int) -> Windows:
    """The windows of a whole topic that an engine is held to: all, or all before the newest, which starts there."""
    if engine.to_the_end:
        return windows
    return {start: w for start, w in windows.items() if start < newest}


def _samples(engine: Engine, running: Running, job: Job) -> list[Sample]:
    samples: list[Sample] = []
    began = moved = time.monotonic()
    first: float | None = None
    peaks: dict[int, float] = {}
    while True:
        time.sleep(EVERY)
        count = running.count()
        now = time.monotonic()
        if count is not None and count.events > (samples[-1].events if samples else 0):
            first, moved = first or now, now
            every = tree(running.pids())
            peaks.update({pid: rss_of(pid, peak=True) for pid in every})
            cpu = sum(map(cpu_of, every))
            samples.append(Sample(count.wall, count.events, count.emitted, cpu, sum(peaks.values())))
            if count.events >= job.events:
                return samples
        if first is not None and now - first > job.task.seconds:
            return samples
        if now - moved > STALLED + (60.0 if first is None else 0.0):
            reached = samples[-1].events if samples else 0
            raise EngineError(
                f"{engine.name}: no event for {now - moved:.0f} s, {reached:,.0f} of {job.events:,} after "
                f"{now - began:.0f} s\n{running.log()[-4000:]}"
            )
