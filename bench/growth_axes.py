"""Along what cost is measured, as data: the axes, and the points of each.

A point is W1 but for what its axis varies, and for what that needs to show:

- A window's length: as many steps as the window has, of 50,000 events each, so that every pane is full before the
  measuring begins. Steps are the product's own, 24 to 90 a window.
- Entities: every one has had an event before the measuring begins.
- The flush interval: a backlog is cut by size, never by time, so events come at a steady rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import headrace as hr
from bench import projects
from bench.events import Skew
from bench.measuring import FROM, TO
from bench.topics import Shape
from headrace.windows import step_of

STEP_EVENTS = 50_000
"""Events of W1 in a minute, which is its step."""
MEASURED = 1_200_000
"""Events that are measured where those before only fill the state."""
OFFERED = 20_000
"""Events a second where they are offered at a rate."""


@dataclass(frozen=True)
class Point:
    """A run: its place on the axis, the views (a name or a text, see `bench.projects.write`), the events.

    `share`: between which shares of the events is measured. `rate`: events a second that are offered (0: a backlog).
    """

    label: str
    x: float = 0.0
    views: str = "w1"
    shape: Shape = field(default_factory=Shape)
    events: int = 2_500_000
    settings: Mapping[str, str] = field(default_factory=dict)
    share: tuple[float, float] = (FROM, TO)
    rate: int = 0


@dataclass(frozen=True)
class Axis:
    """What varies: the `title` of the plot, what is written under it, and how its places are laid out."""

    name: str
    title: str
    unit: str
    scale: Literal["linear", "log", "names"]
    points: Sequence[Point]


BASE = Point("W1")

LENGTHS = {"1h": 1, "6h": 6, "24h": 24, "7d": 7 * 24, "30d": 30 * 24, "90d": 90 * 24}
"""In hours."""


def _length(over: str, hours: int) -> Point:
    step = step_of(hr.rolling(over)) / 1000  # ms
    filling = round(hours * 3_600_000 / step) * STEP_EVENTS
    shape = Shape(apart=step / STEP_EVENTS)
    n = filling + MEASURED
    return Point(over, hours, projects.length(over), shape, n, share=(filling / n, TO))


def _entities(count: int) -> Point:
    n = max(count + MEASURED, BASE.events)
    shape = Shape(skew="even", users=count)
    return Point(f"{count:,}", count, shape=shape, events=n, share=(max(count / n, FROM), 0.99))


_SKEWS: tuple[Skew, ...] = ("hot", "zipf", "uniform")

AXES = {
    a.name: a
    for a in (
        Axis(
            "views",
            "views of four features on one source",
            "views",
            "linear",
            [
                Point(str(n), n, projects.views(n), events=max(1_000_000, 2_500_000 // n))
                for n in (1, 3, 10, 30, 100)
            ],
        ),
        Axis(
            "features",
            "sums of distinct expressions, one window",
            "features",
            "linear",
            [Point(str(n), n, projects.features(n)) for n in (1, 4, 16, 64)],
        ),
        Axis(
            "windows",
            "rolling windows, two features each",
            "windows",
            "linear",
            [Point(str(n), n, projects.windows(n)) for n in (1, 2, 4, 8)],
        ),
        Axis(
            "length",
            "length of a rolling window, four features",
            "length of the window",
            "log",
            [_length(over, hours) for over, hours in LENGTHS.items()],
        ),
        Axis(
            "entities",
            "entities, each equally often",
            "entities",
            "log",
            [_entities(n) for n in (10_000, 100_000, 1_000_000, 10_000_000)],
        ),
        Axis(
            "skew",
            "skew of 100,000 users",
            "events by user",
            "names",
            [Point(s, k, shape=Shape(skew=s)) for k, s in enumerate(_SKEWS)],
        ),
        Axis(
            "flush",
            f"flush interval, at {OFFERED:,} events a second",
            "flush interval, ms",
            "log",
            [
                Point(str(ms), ms, settings={"HEADRACE_STATE__FLUSH": f"{ms}ms"}, rate=OFFERED)
                for ms in (25, 50, 100, 250, 1_000)
            ],
        ),
        Axis(
            "flush-events",
            "events a flush at most",
            "events",
            "log",
            [
                Point(f"{n:,}", n, settings={"HEADRACE_STATE__MAX_EVENTS": str(n)})
                for n in (5_000, 20_000, 50_000, 100_000, 200_000)
            ],
        ),
        Axis(
            "batch",
            "size of a producer's batch",
            "kB",
            "log",
            [Point(str(kb), kb, shape=Shape(batch=kb << 10)) for kb in (4, 16, 64, 256, 512)],
        ),
        Axis(
            "width",
            "width of an event",
            "bytes added to the 58 of an event",
            "linear",
            [Point(str(n), n, shape=Shape(pad=n)) for n in (0, 50, 200, 1_000)],
        ),
    )
}
