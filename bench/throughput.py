"""Events a second of one worker pinned to one core, for each workload; variants alternate with what they vary."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.events import columns
from bench.measuring import Rate, Spread
from bench.peers.engine import Job, Task
from bench.peers.headrace import Headrace, folder, source
from bench.peers.running import timed
from bench.topics import fill, good
from bench.workloads import WORKLOADS, Workload
from tests.stack.whole import Addresses

HEAD = [
    "| workload | events/s | events/CPU-s | peak MB | entities/event | runs | of | asked for |",
    "|---|---|---|---|---|---|---|---|",
]


@dataclass
class Runs:
    """What a workload did, run after run, in one state of our source."""

    workload: Workload
    source: str
    rates: list[Rate] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def data(self) -> dict[str, object]:
        """For JSON."""
        runs = [vars(r) | {"load": load} for r, load in zip(self.rates, self.loads, strict=True)]
        return {
            "workload": self.workload.name,
            "title": self.workload.title,
            "source": self.source,
            "runs": runs,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Runs:
        """Those of a report."""
        found = cls(WORKLOADS[data["workload"]], data.get("source", "?"))
        for run in data["runs"]:
            found.loads.append(run["load"])
            found.rates.append(Rate(**{name: x for name, x in run.items() if name != "load"}))
        return found


def together(earlier: Iterable[Mapping[str, Any]], now: Sequence[Runs]) -> list[Runs]:
    """The runs of an earlier report with these: those of one workload count together if they are of one source, else
    the later stand.
    """
    found = {r.workload.name: r for r in map(Runs.of, earlier)}
    for runs in now:
        before = found.get(runs.workload.name)
        if before is not None and before.source == runs.source:
            runs.rates[:0], runs.loads[:0] = before.rates, before.loads
        found[runs.workload.name] = runs
    return [found[name] for name in WORKLOADS if name in found]


def run(addresses: Addresses, workloads: Sequence[Workload], runs: int, scale: float = 1.0) -> list[Runs]:
    """Fill a topic for each workload, then run all of them in turn, `runs` times."""
    assert addresses.kafka is not None
    stamp = time.time_ns()
    found = [Runs(w, source()) for w in workloads]
    for w in workloads:
        fill(addresses.kafka, _topic(w, stamp), int(scale * w.events), w.shape, addresses.registry_url)
    for number in range(runs):
        for each in found if number % 2 == 0 else reversed(found):
            each.loads.append(os.getloadavg()[0])
            each.rates.append(once(addresses, each.workload, _topic(each.workload, stamp), scale))
    return found


def once(addresses: Addresses, w: Workload, topic: str, scale: float = 1.0) -> Rate:
    """One run on a topic that is filled."""
    n = int(scale * w.events)
    counted, total = good(w.shape, n), good(w.shape, n)
    if w.views == "w3":  # the shuffled view counts its events once more, on its repartition topic
        total += int(np.count_nonzero(columns(n, w.shape.users, w.shape.skew).amounts > 1))
    with folder() as place:
        engine = Headrace(w.views, w.shape, w.settings)
        rate = timed(engine, Job(addresses, topic, Task(w.name, 60, 60), total, Path(place)))
    share = counted / total
    return Rate(int(rate.events * share), rate.wall * share, rate.cpu * share, rate.emitted / share, rate.rss)


def table(found: Sequence[Runs]) -> list[str]:
    """The rows of the report."""
    medians = {r.workload.name: Spread.of(x.wall for x in r.rates).median for r in found if r.rates}
    return [*HEAD, *(_row(r, medians) for r in found if r.rates)]


def _row(r: Runs, medians: dict[str, float]) -> str:
    w = r.workload
    wall, cpu = Spread.of(x.wall for x in r.rates), Spread.of(x.cpu for x in r.rates)
    rss = Spread.of(x.rss for x in r.rates).median
    emitted = Spread.of(x.emitted for x in r.rates).median
    return (
        f"| {w.title} | {wall.text()} | {cpu.text()} | {rss:,.0f} | {emitted:.3f} | {len(r.rates)} | {r.source} | "
        f"{asked(w, medians)} |"
    )


def asked(w: Workload, medians: dict[str, float]) -> str:
    """What was asked of a workload, and whether its median reached it."""
    found = medians[w.name]
    if w.target is not None:
        return f"{w.target:,.0f}: {'reached' if found >= w.target else 'not reached'}"
    if w.against in medians:
        less = 1 - found / medians[w.against]
        return f"within {w.within:.0%} of {w.against}: {-less:+.0%}, {'yes' if less <= w.within else 'no'}"
    return ""


def _topic(w: Workload, stamp: int) -> str:
    return f"{w.name.replace('-', '_')}_{stamp}"
