"""A long backlog worked off: the rate, and the worker's resident memory over the whole of it.

`LONG` is fifty million events of W1. `LARGE` is state that does not fit: a small cache, uniform keys and so many of
them that the files of the state are larger than the worker's memory; its rate counts where they are.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench import projects
from bench.machine import ENGINE
from bench.measuring import rss_of
from bench.process import Process, environment, metric
from bench.topics import Shape, fill_long
from tests.stack.whole import Addresses

EVERY = 0.5  # seconds between two looks
SETTLED = 0.2
"""The share of the events after which memory counts."""
FLAT = 50.0
"""MB that a line through memory may rise from there to the end, and still be called flat."""


@dataclass(frozen=True)
class Backlog:
    """`events` over so many users, worked off by a view with so much cache; `least`: events a second asked for."""

    title: str
    view: str
    events: int
    shape: Shape
    cache_mb: int
    least: float | None = None


LONG = Backlog("W1, Zipf 1.0, 100,000 users", "w1", 50_000_000, Shape(), 96)
LARGE = Backlog(
    "1 h and 24 h, 8 aggregates, 4,000,000 users evenly, cache of 16 MB",
    "memory",
    12_000_000,
    Shape(skew="even", users=4_000_000),
    16,
    60_000.0,
)


@dataclass(frozen=True)
class Look:
    """At `wall` seconds: events counted, resident MB, MB of state on disk."""

    wall: float
    events: float
    rss: float
    disk: float


@dataclass(frozen=True)
class Worked:
    """Events a second; MB resident after the first fifth: least, greatest, and the slope in MB a million events.

    `disk`: MB of state at the end. `beyond`: events a second while state on disk was larger than resident memory, and
    the share of the events that were worked off so; None if it never was.
    """

    events: int
    rate: float
    least: float
    greatest: float
    slope: float
    disk: float
    beyond: tuple[float, float] | None

    @property
    def rise(self) -> float:
        """MB that the line through memory rises while it counts."""
        return self.slope * self.events * (1 - SETTLED) / 1e6


HEAD = [
    "| backlog | events | events/s | least MB | greatest MB | slope, MB a million events | state on disk MB "
    "| state larger than memory | asked for |",
    "|---|---|---|---|---|---|---|---|---|",
]


def line(b: Backlog, w: Worked) -> str:
    """A row of the report."""
    beyond = f"{w.beyond[1]:.0%} of the events, {w.beyond[0]:,.0f}/s" if w.beyond else "never"
    return (
        f"| {b.title} | {w.events:,} | {w.rate:,.0f} | {w.least:,.0f} | {w.greatest:,.0f} | {w.slope:+.2f} "
        f"| {w.disk:,.0f} | {beyond} | {asked(b, w)} |"
    )


def asked(b: Backlog, w: Worked) -> str:
    """What was asked of a backlog, and whether it was reached."""
    if b.least is None:
        return f"flat memory: {'reached' if w.rise <= FLAT else 'not reached'}, {w.rise:+.0f} MB"
    reached = w.beyond is not None and w.beyond[0] >= b.least
    return f"{b.least:,.0f}/s with state larger than memory: {'reached' if reached else 'not reached'}"


def run(addresses: Addresses, b: Backlog, scale: float = 1.0) -> Worked:
    """Fill a topic, then start the worker and look at it until all is counted."""
    topic = f"backlog{time.time_ns()}"
    assert addresses.kafka is not None
    n = int(scale * b.events)
    fill_long(addresses.kafka, topic, n, b.shape)
    with tempfile.TemporaryDirectory() as folder:
        config = projects.write(Path(folder), b.view, topic, topic)
        variables = environment(addresses, HEADRACE_STATE__CACHE_MB=str(b.cache_mb))
        looks: list[Look] = []
        with Process("worker", config, variables, ENGINE) as worker:
            while not looks or looks[-1].events < n:
                time.sleep(EVERY)
                worker.check()
                counted = metric(worker.metrics() or "", "headrace_events_total")
                looks.append(
                    Look(time.monotonic(), counted, rss_of(worker.pid), size(Path(folder) / "data" / "state"))
                )
    return worked(looks)


def worked(looks: Sequence[Look]) -> Worked:
    """What the looks at a worker say, of which the last one is at the end. Raises ValueError if they are too few."""
    n = looks[-1].events
    first = next(k for k, look in enumerate(looks) if look.events)
    settled = [look for look in looks if look.events >= SETTLED * n]
    if len(settled) < 3:
        raise ValueError(
            f"{len(settled)} looks at a backlog of {n:,.0f} events say nothing: take more events"
        )
    memory = [look.rss for look in settled]
    slope = np.polyfit([look.events / 1e6 for look in settled], memory, 1)[0]
    rate = (n - looks[first].events) / (looks[-1].wall - looks[first].wall)
    return Worked(
        int(n), rate, min(memory), max(memory), float(slope), looks[-1].disk, _beyond(looks[first:])
    )


def _beyond(looks: Sequence[Look]) -> tuple[float, float] | None:
    """Over the intervals at whose begin and end the state was larger than memory."""
    pairs = [(a, b) for a, b in pairwise(looks) if a.disk > a.rss and b.disk > b.rss]
    events = sum(b.events - a.events for a, b in pairs)
    if not events:
        return None
    return events / sum(b.wall - a.wall for a, b in pairs), events / looks[-1].events


def size(folder: Path) -> float:
    """MB of the files below a folder; one that RocksDB removes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total / 1e6
