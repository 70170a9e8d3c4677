"""How cost grows: microseconds of CPU an event along one axis at a time, everything else as in W1.

    python -m bench.growth [--axes views features ...] [--scale 1.0] [--no-write]

Writes bench/reports/growth.json, axis by axis, so that they can be measured in several goes; `bench.plots` draws it.
Each axis begins with W1 itself, since one machine has two speeds within a day. What the axes are: `bench.growth_axes`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import reports
from bench.growth_axes import AXES, BASE, Axis, Point
from bench.machine import Machine, ground
from bench.measuring import Rate, TooShortError
from bench.offered import offered
from bench.peers.engine import EngineError, Job, Task
from bench.peers.headrace import Headrace, folder
from bench.peers.running import timed
from bench.topics import Shape, fill
from tests.stack.whole import Addresses

Topics = dict[tuple[Shape, int], str]
"""What is filled already, by shape and number of events."""


def measure(addresses: Addresses, point: Point, scale: float, topics: Topics) -> Rate:
    """One run of a point, as a backlog or at its rate."""
    if point.rate:
        return offered(addresses, point.views, point.rate, point.settings)
    assert addresses.kafka is not None
    n = int(scale * point.events)
    if (point.shape, n) not in topics:
        topics[point.shape, n] = f"growth_{time.time_ns()}"
        fill(addresses.kafka, topics[point.shape, n], n, point.shape)
    with folder() as place:
        engine = Headrace(point.views, point.shape, point.settings)
        job = Job(addresses, topics[point.shape, n], Task("growth", 60, 60), n, Path(place))
        return timed(engine, job, point.share)


def points(addresses: Addresses, axis: Axis, scale: float, topics: Topics) -> Iterator[dict[str, Any]]:
    """W1, then the axis, point by point; one without figures says why."""
    for point in (BASE, *axis.points):
        row = {"label": point.label, "x": point.x, "load": os.getloadavg()[0]}
        try:
            rate = measure(addresses, point, scale, topics)
        except (EngineError, TooShortError, RuntimeError) as error:
            row["problem"] = str(error).splitlines()[0]
        else:
            row |= {"us": 1e6 / rate.cpu, **vars(rate)}
        told = row.get("problem") or f"{row['us']:.2f} us of CPU an event"
        print(f"{axis.name} {point.label}: {told}", file=sys.stderr, flush=True)
        yield row


def table(data: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row an axis: W1, then each point with its microseconds."""
    out = ["| along | W1 beside it | us of CPU an event |", "|---|---|---|"]
    for name in (a for a in AXES if a in data):
        base, *rest = (
            f"{p['us']:.2f}" if "us" in p else "none" for p in (data[name]["base"], *data[name]["points"])
        )
        costs = (f"{p['label']}: {us}" for p, us in zip(data[name]["points"], rest, strict=True))
        out.append(f"| {AXES[name].title} | {base} | {', '.join(costs)} |")
    return [*out, "", "![how cost grows](plots/growth.svg)"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--axes", nargs="*", choices=list(AXES), default=list(AXES))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of events")
    parser.add_argument("--no-write", action="store_true", help="print the table, leave the report alone")
    given = parser.parse_args()
    command = " ".join(["python -m bench.growth", *sys.argv[1:]])
    data: dict[str, Any] = {} if given.no_write else reports.earlier("growth") or {}
    topics: Topics = {}
    with ground() as addresses:
        for name in given.axes:
            machine = Machine.here()
            base, *found = points(addresses, AXES[name], given.scale, topics)
            data[name] = {"base": base, "points": found}
            if not given.no_write:
                reports.write("growth", command, machine, table(data), data)
    print("\n".join(table(data)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
