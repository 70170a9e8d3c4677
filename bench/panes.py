"""The step of a view's panes alone: microseconds an event and by stage. No Kafka, no RocksDB, no Redis.

    python -m bench.panes [--keys zipf|uniform] [--windows 1|3] [--flushes 20] [--profile]

Workload W1: 100,000 users, an event every 2 ms of event time, flushes of 100,000 rows over 4 partitions; count, sum,
min and max of an amount over 60 s tumbling, or over 60 s, rolling 1 h and rolling 24 h. State is a dict.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

import numpy as np
import polars as pl

import headrace as hr
from headrace.panes import ViewCore
from headrace.plan import ViewPlan, plan_view

USERS, ROWS, APART = 100_000, 100_000, 2_000


def plan(windows: int) -> ViewPlan:
    """The view of the workload."""
    source = hr.StreamSource(
        "txn",
        schema={"user": hr.String, "at": hr.Timestamp, "amount": hr.Float64},
        format="json",
        key="user",
        timestamp="at",
    )
    overs = {"60s": hr.tumbling("60s"), "1h": hr.rolling("1h"), "24h": hr.rolling("24h")}
    features = {}
    for name, over in list(overs.items())[:windows]:
        features[f"count_{name}"] = hr.count(over=over)
        for function in (hr.sum, hr.min, hr.max):
            features[f"{function.__name__}_{name}"] = function("amount", over=over)
    view = hr.FeatureView(
        "w", entity=hr.Entity("user", keys={"user": hr.String}), source=source, features=features
    )
    return plan_view(view)


def flushes(view: ViewPlan, keys: str, n: int) -> list[tuple[pl.DataFrame, int]]:
    """Projected rows and the clock of each flush."""
    rng = np.random.default_rng(7)
    names = np.array([f"user-{i:06d}" for i in range(USERS)])
    weight = 1 / np.arange(1, USERS + 1)
    out = []
    for f in range(n):
        ids = (
            rng.choice(USERS, ROWS, p=weight / weight.sum())
            if keys == "zipf"
            else rng.integers(0, USERS, ROWS)
        )
        at = 1_700_000_000_000_000 + (f * ROWS + np.arange(ROWS)) * APART
        rows = pl.DataFrame(
            {
                "_partition": pl.Series(ids % 4, dtype=pl.Int32),
                "_key": names[ids],
                "_event_time": at,
                "_order": (ids % 4) * 2**41 + f * ROWS + np.arange(ROWS),
                **{name: np.round(rng.random(ROWS) * 100, 2) for name in view.inputs},
            }
        )
        out.append((rows, int(at[-1])))
    return out


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keys", choices=["zipf", "uniform"], default="zipf")
    arguments.add_argument("--windows", type=int, default=1)
    arguments.add_argument("--flushes", type=int, default=20)
    arguments.add_argument("--profile", action="store_true")
    given = arguments.parse_args()
    view = plan(given.windows)
    core = ViewCore(view, clock="event")
    state: dict[bytes, bytes] = {}

    def read(_: int, keys: list[bytes]) -> list[bytes | None]:
        return [state.get(k) for k in keys]

    profile = cProfile.Profile()
    spent, dirty, written = [], 0, 0
    for i, (rows, clock) in enumerate(flushes(view, given.keys, given.flushes)):
        if given.profile and i > given.flushes // 2:
            profile.enable()
        start = time.process_time()
        update = core.step(rows, {}, dict.fromkeys(range(4), clock), read)
        spent.append(time.process_time() - start)
        profile.disable()
        dirty += update.entities
        for writes in update.partitions.values():
            for key, value in zip(writes.keys, writes.values, strict=True):
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
                    written += len(value)
    half = spent[len(spent) // 2 :]
    print(
        f"{given.keys} keys, {given.windows} windows: {np.median(half) / ROWS * 1e6:.2f} us CPU/event (median of "
        f"the later half), {min(half) / ROWS * 1e6:.2f} best; {dirty / ROWS / given.flushes:.2f} dirty entities and "
        f"{written / ROWS / given.flushes:.0f} B written an event; {len(state):,} records"
    )
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    main()
