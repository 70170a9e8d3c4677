"""What is measured of a run, and the arithmetic on it: processes from outside, steady rates, medians and spreads.

Rates count between FROM and TO of a run's events, so that start-up, most of a JIT's work and the tail are left out.
CPU is user and system time of every process of an engine, children included, without broker and Redis.
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FROM, TO = 0.4, 0.97
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """At `wall` seconds: `events` read, window results `emitted`, `cpu` seconds used, `rss` MB at the peak so far."""

    wall: float
    events: float
    emitted: float
    cpu: float
    rss: float


@dataclass(frozen=True)
class Rate:
    """Steady rates of one run: events a second of wall time and of CPU time, results emitted an event, peak MB."""

    events: int
    wall: float
    cpu: float
    emitted: float
    rss: float


class TooShortError(RuntimeError):
    """A run has no steady part: it needs more events."""


def steady(samples: Sequence[Sample], share: tuple[float, float] = (FROM, TO)) -> Rate:
    """The rates between two shares of the events that the run reached."""
    if not samples:
        raise TooShortError("the run gave no sample")
    n = samples[-1].events
    inside = [s for s in samples if share[0] * n <= s.events <= share[1] * n]
    if len(inside) < 2 or inside[0].events == inside[-1].events:
        raise TooShortError(
            f"{len(samples)} samples of {n:,.0f} events have no steady part: take more events"
        )
    a, b = inside[0], inside[-1]
    counted = b.events - a.events
    return Rate(
        int(n),
        counted / (b.wall - a.wall),
        counted / max(b.cpu - a.cpu, 1 / TICKS),
        (b.emitted - a.emitted) / counted,
        max(s.rss for s in samples),
    )


@dataclass(frozen=True)
class Spread:
    """The median of several runs' values, the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])

    def text(self, unit: float = 1.0, form: str = ",.0f") -> str:
        """`median (low-high)`, in units of `unit`."""
        median, low, high = (format(x / unit, form) for x in (self.median, self.low, self.high))
        return median if low == high else f"{median} ({low}-{high})"


def tree(pids: Iterable[int]) -> list[int]:
    """These processes and all that descend from them; those that have ended are left out."""
    found: list[int] = []
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        try:
            threads = [*Path(f"/proc/{pid}/task").iterdir()]
            waiting += [int(child) for t in threads for child in (t / "children").read_text().split()]
        except OSError:
            continue
        found.append(pid)
    return found


def cpu_of(pid: int) -> float:
    """User and system seconds of a process, its threads included; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def busy(core: int | None = None) -> float:
    """CPU seconds that a core, or all of them, has spent on processes and interrupts since the machine started."""
    name = "cpu" if core is None else f"cpu{core}"
    rows = map(str.split, Path("/proc/stat").read_text().splitlines())
    fields = next([int(x) for x in row[1:9]] for row in rows if row[0] == name)
    idle, waiting, stolen = fields[3], fields[4], fields[7]
    return (sum(fields) - idle - waiting - stolen) / TICKS


def rss_of(pid: int, *, peak: bool = False) -> float:
    """Resident megabytes of a process, or the most it ever had; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def pin(pid: int, cores: Iterable[int]) -> None:
    """All threads of a process to `cores`, and those that they start."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread.name), set(cores))
