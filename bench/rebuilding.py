"""State from history, without Kafka: seconds and memory to read a Delta table and make a view's changelog records.

    python -m bench.rebuilding [--events 5000000] [--entities 100000] [--windows 3] [--keys int|string]

An event every 20 ms on average of event time, in order, over 4 partitions and uniform keys; count, sum, min and max of
an amount over 60 s tumbling, rolling 1 h and rolling 24 h, and a lifetime sum. Prints one row of a report.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import write_deltalake

import headrace as hr
from headrace.offline.rebuilding import Rebuilding
from headrace.offline.sources import DeltaEvents
from headrace.plan import ViewPlan, plan_view

PARTITIONS, BATCH, FIRST = 4, 500_000, 1_700_000_000_000_000
MB = 1 << 20


def plan(windows: int, keys: str) -> ViewPlan:
    """The view of the workload."""
    key = hr.Int64 if keys == "int" else hr.String
    source = hr.StreamSource(
        "txn",
        schema={"user": key, "at": hr.Timestamp, "amount": hr.Float64},
        format="json",
        key="user",
        timestamp="at",
    )
    overs = {"60s": hr.tumbling("60s"), "1h": hr.rolling("1h"), "24h": hr.rolling("24h")}
    features = {"ever": hr.sum("amount", over=hr.lifetime())}
    for name, over in list(overs.items())[:windows]:
        features[f"count_{name}"] = hr.count(over=over)
        for function in (hr.sum, hr.min, hr.max):
            features[f"{function.__name__}_{name}"] = function("amount", over=over)
    return plan_view(
        hr.FeatureView("w", entity=hr.Entity("user", keys={"user": key}), source=source, features=features)
    )


def batches(events: int, entities: int, apart: int, keys: str) -> Iterator[pl.DataFrame]:
    """History, in the order in which it was kept."""
    rng = np.random.default_rng(7)
    for start in range(0, events, BATCH):
        n = min(BATCH, events - start)
        ids = rng.integers(0, entities, n)
        at = FIRST + (start + np.arange(n)) * apart
        user = pl.Series(ids)
        yield pl.DataFrame(
            {
                "user": user if keys == "int" else pl.select(pl.format("user-{}", user)).to_series(),
                "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
                "amount": np.round(rng.random(n) * 100, 2),
                "_topic": ["txn"] * n,
                "_partition": pl.Series(ids % PARTITIONS, dtype=pl.Int32),
                "_offset": pl.Series(start + np.arange(n)),
                "_timestamp": pl.Series(at).cast(pl.Datetime("us", "UTC")),
            }
        ).with_columns(_date=pl.col("at").dt.date())


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--events", type=int, default=5_000_000)
    given.add_argument("--entities", type=int, default=100_000)
    given.add_argument("--windows", type=int, default=3, choices=[0, 1, 2, 3])
    given.add_argument("--keys", choices=["int", "string"], default="int")
    asked = given.parse_args()
    view = plan(asked.windows, asked.keys)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"{folder}/history"
        for batch in batches(asked.events, asked.entities, 20_000, asked.keys):
            write_deltalake(uri, batch.to_arrow(), mode="append", partition_by=["_date"])
        before = resource.getrusage(resource.RUSAGE_SELF)
        begin = time.perf_counter()
        until = {("txn", p): asked.events for p in range(PARTITIONS)}
        with Rebuilding(view, "event", until, 0, PARTITIONS, folder=Path(folder)) as job:
            job.read(DeltaEvents.open(view.source.source, uri, project="bench", allow_gaps=True))
            read = time.perf_counter() - begin
            records = nbytes = 0
            for _, keys, values in job.state(0):
                records += len(keys)
                nbytes += sum(map(len, keys)) + sum(map(len, values))
        wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print("| events | entities | windows | read s | all s | CPU s | events/s | records | MB | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {asked.events:,} | {asked.entities:,} | {asked.windows} | {read:.1f} | {wall:.1f} | {cpu:.1f} | "
        f"{asked.events / wall:,.0f} | {records:,} | {nbytes / MB:.0f} | {after.ru_maxrss / 1024:,.0f} |"
    )


if __name__ == "__main__":
    main()
