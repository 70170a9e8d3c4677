"""How cost grows: microseconds of CPU an event along one axis at a time, everything else as in W1.

    python -m bench.growth [--axes views features ...] [--scale 1.0]

Writes bench/reports/growth.json, point by point, so that axes can be measured in several goes; `bench.plots` draws it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import projects, reports
from bench.events import Skew
from bench.machine import Machine, ground
from bench.measuring import Rate, TooShortError
from bench.peers.engine import EngineError, Job, Task
from bench.peers.headrace import Headrace, folder
from bench.peers.running import timed
from bench.topics import Shape, fill
from tests.stack.whole import Addresses


@dataclass(frozen=True)
class Point:
    """A run: its place on the axis, the views (a name or a text, see `bench.projects.write`), the events."""

    label: str
    views: str = "w1"
    shape: Shape = field(default_factory=Shape)
    events: int = 1_500_000
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Axis:
    """What varies."""

    name: str
    title: str
    points: Sequence[Point]


_SKEWS: tuple[Skew, ...] = ("hot", "zipf", "uniform")

AXES = {
    a.name: a
    for a in (
        Axis(
            "views",
            "views of four features on one source",
            [
                Point(str(n), projects.views(n), events=max(200_000, 1_500_000 // n))
                for n in (1, 3, 10, 30, 100)
            ],
        ),
        Axis(
            "features",
            "sums of distinct expressions, one window",
            [Point(str(n), projects.features(n)) for n in (1, 4, 16, 64)],
        ),
        Axis(
            "windows",
            "rolling windows, two features each",
            [Point(str(n), projects.windows(n)) for n in (1, 2, 4, 8)],
        ),
        Axis(
            "length",
            "length of a rolling window, four features",
            [Point(x, projects.length(x)) for x in ("1h", "6h", "24h", "7d", "30d", "90d")],
        ),
        Axis(
            "entities",
            "entities, uniform",
            [
                Point(f"{n:,}", shape=Shape(skew="uniform", users=n))
                for n in (10_000, 100_000, 1_000_000, 10_000_000)
            ],
        ),
        Axis("skew", "skew of 100,000 entities", [Point(s, shape=Shape(skew=s)) for s in _SKEWS]),
        Axis(
            "flush",
            "flush interval",
            [
                Point(x, settings={"HEADRACE_STATE__FLUSH": x})
                for x in ("25ms", "50ms", "100ms", "250ms", "1s")
            ],
        ),
        Axis(
            "flush-events",
            "events a flush at most",
            [
                Point(f"{n:,}", settings={"HEADRACE_STATE__MAX_EVENTS": str(n)})
                for n in (5_000, 20_000, 50_000, 100_000, 200_000)
            ],
        ),
        Axis(
            "batch",
            "bytes of a producer's batch",
            [
                Point(f"{n >> 10} kB", shape=Shape(batch=n))
                for n in (1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 19)
            ],
        ),
        Axis(
            "width",
            "bytes added to an event",
            [Point(str(n), shape=Shape(pad=n)) for n in (0, 50, 200, 1_000)],
        ),
    )
}


def measure(addresses: Addresses, point: Point, topic: str, n: int) -> Rate:
    """One run of a point on a topic that is filled."""
    with folder() as place:
        engine = Headrace(point.views, point.shape, point.settings)
        return timed(engine, Job(addresses, topic, Task("growth", 60, 60), n, Path(place)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--axes", nargs="*", choices=list(AXES), default=list(AXES))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of events")
    given = parser.parse_args()
    with ground() as addresses:
        for name in given.axes:
            _axis(addresses, AXES[name], given.scale)
    return 0


def _axis(addresses: Addresses, axis: Axis, scale: float) -> None:
    assert addresses.kafka is not None
    topics: dict[tuple[Shape, int], str] = {}
    rows = []
    for point in axis.points:
        n = int(scale * point.events)
        if (point.shape, n) not in topics:
            topics[point.shape, n] = f"growth_{time.time_ns()}"
            fill(addresses.kafka, topics[point.shape, n], n, point.shape)
        load = os.getloadavg()[0]
        try:
            rate = measure(addresses, point, topics[point.shape, n], n)
        except (EngineError, TooShortError, RuntimeError) as error:
            print(f"growth: {axis.name} {point.label}: {error}", file=sys.stderr, flush=True)
            continue
        rows.append({"label": point.label, "us": 1e6 / rate.cpu, "load": load, **vars(rate)})
        print(
            f"{axis.name} {point.label}: {1e6 / rate.cpu:.2f} us of CPU an event", file=sys.stderr, flush=True
        )
    _keep(axis, rows)


def _keep(axis: Axis, rows: list[dict[str, object]]) -> None:
    """Put the axis into the report, beside those that are there."""
    path = reports.REPORTS / "growth.json"
    data = json.loads(path.read_text())["data"] if path.exists() else {}
    data[axis.name] = {"title": axis.title, "points": rows}
    reports.write("growth", "python -m bench.growth", Machine.here(), table(data), data)


def table(data: Mapping[str, Mapping[str, object]]) -> list[str]:
    """A row an axis: each point and its microseconds."""
    out = ["| axis | microseconds of CPU an event |", "|---|---|"]
    for name in (a for a in AXES if a in data):
        points = data[name]["points"]
        assert isinstance(points, list)
        costs = ", ".join("{label}: {us:.1f}".format(**p) for p in points)
        out.append(f"| {data[name]['title']} | {costs} |")
    return [*out, "", "![how cost grows](plots/growth.svg)"]


if __name__ == "__main__":
    sys.exit(main())
