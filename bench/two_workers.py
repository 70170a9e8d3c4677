"""Two workers on two cores beside one on one, and how much of the cores broker and Redis leave them.

Nothing but the workers is pinned: the broker, Redis and the harness run where there is room. What an event costs the
workers and what it costs everything else on the machine bounds the rate of any number of workers: `allowed`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import projects
from bench.measuring import Rate, Spread, busy, cpu_of
from bench.peers.engine import W1, Count, Job, Running, Windows
from bench.peers.headrace import Headrace, folder
from bench.peers.running import timed
from bench.process import Process, environment, metric
from bench.topics import Shape, fill
from tests.stack.whole import Addresses

LEAST = 1.6
"""Times one worker's rate, where broker and Redis leave room."""
CORES = min(os.cpu_count() or 1, 2)


@dataclass(frozen=True)
class Run:
    """`workers` at `rate` events a second; microseconds an event of the workers and of all other processes."""

    workers: int
    rate: float
    ours: float
    others: float

    @property
    def allowed(self) -> float:
        """Events a second if this machine's cores did nothing but what an event costs, without a pause."""
        return 1e6 * CORES / (self.ours + self.others)


def run(addresses: Addresses, n: int, runs: int) -> list[Run]:
    """One worker on the first core and two on two, in turn."""
    assert addresses.kafka is not None
    topic = f"two_{time.time_ns()}"
    fill(addresses.kafka, topic, n, Shape())
    found = []
    for _ in range(runs):
        for engine in (Workers(1), Workers(2)):
            with folder() as place:
                rate = timed(engine, Job(addresses, topic, W1, n, Path(place)))
                found.append(_run(engine, rate))
    return found


def _run(engine: Workers, rate: Rate) -> Run:
    assert engine.running is not None
    ours, others = engine.running.costs()
    return Run(engine.count, rate.wall, ours, others)


def table(found: Sequence[Run]) -> list[str]:
    """The report: both rates, what an event costs, and what the machine allows."""
    rows = ["| workers | events/s | workers, us/event | all else, us/event | runs |", "|---|---|---|---|---|"]
    by = {k: [r for r in found if r.workers == k] for k in (1, 2)}
    for k, some in by.items():
        rate, ours, others = (
            Spread.of(x) for x in zip(*((r.rate, r.ours, r.others) for r in some), strict=True)
        )
        rows.append(
            f"| {k} | {rate.text()} | {ours.text(form='.2f')} | {others.text(form='.2f')} | {len(some)} |"
        )
    one, two = (Spread.of(r.rate for r in by[k]).median for k in (1, 2))
    return [*rows, "", sentence(one, two, Spread.of(r.allowed for r in by[2]).median)]


def sentence(one: float, two: float, allowed: float) -> str:
    """What two workers reached, and what they could."""
    reached = "reached" if two / one >= LEAST else "not reached"
    return (
        f"Two are {two / one:.2f} times one; {LEAST} times was asked for: {reached}. "
        f"{CORES} cores, which broker, Redis and harness share with them, allow {allowed:,.0f} events/s at this cost "
        f"of an event, {allowed / one:.2f} times one worker; two workers used {two / allowed:.0%} of that."
    )


class Workers(Headrace):
    """So many workers of one project, each on a core of its own."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.running: Several | None = None

    def start(self, job: Job) -> Running:
        config = projects.write(job.folder, "w1", job.topic, job.run)
        self.running = Several(
            [
                Process(
                    "worker",
                    config,
                    environment(job.addresses, HEADRACE_STATE__DIR=str(job.folder / f"state-{core}")),
                    core % CORES,
                )
                for core in range(self.count)
            ]
        )
        return self.running


class Several(Running):
    """Processes of ours, counted together, and what the rest of the machine does meanwhile."""

    def __init__(self, processes: list[Process]) -> None:
        self._processes = processes
        self._seen: list[tuple[float, float, float]] = []

    def pids(self) -> list[int]:
        return [p.pid for p in self._processes]

    def count(self) -> Count | None:
        for p in self._processes:
            p.check()
        texts = [p.metrics() or "" for p in self._processes]
        events = sum(metric(t, "headrace_events_total") for t in texts)
        emitted = sum(metric(t, "headrace_entities_written_total") for t in texts)
        if events:
            self._seen.append((events, sum(map(cpu_of, self.pids())), busy()))
        return Count(time.monotonic(), events, emitted) if events else None

    def costs(self) -> tuple[float, float]:
        """Microseconds of CPU an event from the first to the last look: of these processes, of all others."""
        (n, cpu, all_), (m, later, last) = self._seen[0], self._seen[-1]
        ours, every = 1e6 * (later - cpu) / (m - n), 1e6 * (last - all_) / (m - n)
        return ours, every - ours

    def windows(self) -> Windows | None:
        return None

    def stop(self) -> None:
        for p in self._processes:
            p.stop()
