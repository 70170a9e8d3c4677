"""Freshness: from the call of produce() to the value being readable by an outside Redis client, rate by rate."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import projects
from bench.events import PARTITIONS
from bench.live import BehindError, Load
from bench.machine import ENGINE
from bench.measuring import busy, cpu_of
from bench.process import Process, environment
from tests.stack.kafka import create_topic
from tests.stack.whole import Addresses

PROBES = 1_000
"""Fewer are no 99th percentile."""


@dataclass(frozen=True)
class Rate:
    """What is offered, to which view of `bench.projects`, and the milliseconds that were asked for."""

    events: int
    view: str
    p50: float
    p99: float
    spared: float = 0.0  # see Load


RATES = (
    Rate(2_000, "w1x3", 300, 800),
    Rate(5_000, "w1x3", 90, 160),
    Rate(20_000, "w1", 110, 200, spared=2.0),
)


@dataclass(frozen=True)
class Freshness:
    """Milliseconds from produce to readable; the producer's own delay at worst (ms); cores that the worker used, and
    what others used of the one that it is pinned to: more than a few hundredths, and the machine was not quiet.
    """

    rate: Rate
    probes: int
    p50: float
    p99: float
    worst: float
    late: float
    cores: float
    others: float

    def data(self) -> dict[str, object]:
        """For JSON."""
        return vars(self) | {"rate": vars(self.rate)}

    @property
    def line(self) -> str:
        """A row of the report."""
        r = self.rate
        return (
            f"| {r.events:,} | {r.view} | {self.probes:,} | {self.p50:.0f} | {self.p99:.0f} | {self.worst:.0f} | "
            f"{self.late:.0f} | {self.cores:.2f} | {self.others:.2f} | {r.p50:.0f} and {r.p99:.0f}: {reached(self)} |"
        )


HEAD = [
    "| offered, events/s | view | probes | p50 ms | p99 ms | worst ms | producer late at worst, ms | worker cores "
    "| others on its core | asked for, p50 and p99 |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def reached(f: Freshness) -> str:
    """Whether both were reached, or which was not."""
    missed = [n for n, got, most in (("p50", f.p50, f.rate.p50), ("p99", f.p99, f.rate.p99)) if got > most]
    return f"{' and '.join(missed)} not reached" if missed else "reached"


def run(addresses: Addresses, seconds: float = 60.0) -> list[Freshness]:
    """Every rate, with a worker of its own; the first one warms the broker as well, and for longer."""
    return [_run(addresses, rate, seconds, 10.0 if k else 30.0) for k, rate in enumerate(RATES)]


def _run(addresses: Addresses, rate: Rate, seconds: float, warm: float, *, users: int = 20_000) -> Freshness:
    topic = f"fresh{time.time_ns()}"
    assert addresses.kafka is not None
    create_topic(addresses.kafka, topic, PARTITIONS, {})
    with tempfile.TemporaryDirectory() as folder:
        config = projects.write(Path(folder), rate.view, topic, topic)
        variables = environment(addresses, HEADRACE_ENGINE__CLOCK="wall")
        with (
            Process("worker", config, variables, ENGINE) as worker,
            Load(addresses, topic, rate.view, rate.events, users, spared=rate.spared) as load,
        ):
            load.warm(worker, warm)
            cpu, whole, begin = cpu_of(worker.pid), busy(ENGINE), time.perf_counter()
            load.offer(seconds, probing=True)
            wall = time.perf_counter() - begin
            cores = (cpu_of(worker.pid) - cpu) / wall
            others = max((busy(ENGINE) - whole) / wall - cores, 0.0)
            found = [probe.ms for probe in load.arrived()]
    if len(found) < PROBES:
        raise BehindError(
            f"{len(found)} probes are no 99th percentile, expected {PROBES:,}: measure for longer"
        )
    p50, p99 = np.percentile(found, [50, 99])
    told = Freshness(rate, len(found), float(p50), float(p99), max(found), load.worst, cores, others)
    print(told.line, file=sys.stderr, flush=True)
    return told
