"""The cost of what a view computes: each aggregate alone, and 20 features over 5 windows beside count alone.

The step of the panes in one process, without Kafka, RocksDB and Redis, as in `bench/panes.py`: 100,000 users, Zipf 1.0,
flushes of 100,000 events, event clock, state in a dict, freed memory kept as a worker keeps it. Events a second of CPU
time, all threads together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import polars as pl

import headrace as hr
from bench.panes import ROWS, flushes
from headrace.aggregates.declare import Aggregate
from headrace.heap import kept
from headrace.panes import ViewCore
from headrace.panes.progress import RECORDED
from headrace.plan import ViewPlan, plan_view

HEAD = ["| view | events/CPU-s | times count alone |", "|---|---|---|"]

HOUR = "1h"
WINDOWS = (hr.tumbling("1m"), hr.rolling("10m"), hr.rolling("1h"), hr.rolling("24h"), hr.lifetime())

ALONE: Mapping[str, Aggregate] = {
    "count": hr.count(over=HOUR),
    "count_if": hr.count_if("amount > 50", over=HOUR),
    "sum": hr.sum("amount", over=HOUR),
    "avg": hr.avg("amount", over=HOUR),
    "min": hr.min("amount", over=HOUR),
    "max": hr.max("amount", over=HOUR),
    "stddev": hr.stddev("amount", over=HOUR),
    "variance": hr.variance("amount", over=HOUR),
    "first": hr.first("amount", over=HOUR),
    "latest": hr.latest("amount", over=HOUR),
    "last_n": hr.last_n("amount", 5, over=HOUR),
    "first_n": hr.first_n("amount", 5, over=HOUR),
    "count_distinct": hr.count_distinct("amount", over=HOUR),
    "quantile": hr.quantile("amount", 0.9, over=HOUR),
    "median": hr.median("amount", over=HOUR),
    "top_k": hr.top_k("amount", 3, over=HOUR),
    "any": hr.any("amount > 50", over=HOUR),
    "all": hr.all("amount > 50", over=HOUR),
    "ratio": hr.ratio(hr.sum("amount", over=HOUR), hr.count(over=HOUR)),
    "decayed_sum": hr.decayed_sum("amount", "1h"),
}


def plan(features: Mapping[str, Aggregate]) -> ViewPlan:
    """A view of these features of users."""
    columns = {"user": hr.String, "at": hr.Timestamp, "amount": hr.Float64}
    source = hr.StreamSource("txn", schema=columns, format="json", key="user", timestamp="at")
    user = hr.Entity("user", keys={"user": hr.String})
    return plan_view(hr.FeatureView("w", entity=user, source=source, features=features))


def rate(view: ViewPlan, n: int) -> float:
    """Events a second of CPU time in the median of the later half of `n` flushes."""
    core = ViewCore(view, clock="event")
    state: dict[bytes, bytes] = {}
    spent = []
    for rows, clock in flushes(view, "zipf", n):
        projected = rows.cast({k: t for k, t in view.row_schema.items() if k in rows.columns})
        if RECORDED in view.row_schema:
            projected = projected.with_columns(pl.col("_event_time").alias(RECORDED))
        start = time.process_time()
        update = core.step(
            projected, {}, dict.fromkeys(range(4), clock), lambda _, keys: [state.get(k) for k in keys]
        )
        spent.append(time.process_time() - start)
        for writes in update.partitions.values():
            state.update({k: v for k, v in zip(writes.keys, writes.values, strict=True) if v is not None})
            for key in (k for k, v in zip(writes.keys, writes.values, strict=True) if v is None):
                state.pop(key, None)
    return ROWS / float(np.median(spent[n // 2 :]))


def run(n: int = 12) -> dict[str, float]:
    """Events a CPU second of each view, the plainest first; `n` flushes each, of which the later half counts."""
    views = {f"`{name}` over rolling 1h": {"f": a} for name, a in ALONE.items()}
    views["`count` over a session of 30m"] = {"f": hr.count(over=hr.session("30m"))}
    views["`sum` over a session of 30m"] = {"f": hr.sum("amount", over=hr.session("30m"))}
    functions = (hr.count, hr.sum, hr.min, hr.max)
    many: dict[str, Aggregate] = {}
    counts: dict[str, Aggregate] = {}
    for i, window in enumerate(WINDOWS):
        counts[f"count_{i}"] = hr.count(over=window)
        for f in functions:
            many[f"{f.__name__}_{i}"] = counts[f"count_{i}"] if f is hr.count else f("amount", over=window)
    views["5 features: `count` over 5 windows"] = counts
    views["20 features: `count sum min max` over 5 windows"] = many
    with kept():
        rate(plan(many), 2)  # loads what is loaded with the first flush, which else the first view would pay
        return {name: rate(plan(features), n) for name, features in views.items()}


def table(rates: Mapping[str, float]) -> list[str]:
    """The rows of the report."""
    base = next(iter(rates.values()))
    return [*HEAD, *(f"| {name} | {r:,.0f} | {base / r:.1f} |" for name, r in rates.items())]
