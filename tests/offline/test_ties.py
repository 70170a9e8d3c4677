"""Events at one instant: whether their order is read, and that sums repeat bit for bit where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import headrace as hr
from headrace.offline.sources import FrameEvents
from headrace.offline.view_values import ViewValues
from headrace.plan import ViewPlan, plan_view

ENTITY = hr.Entity("user", keys={"e": hr.Int64})
SCHEMA = {"e": hr.Int64, "at": hr.Timestamp, "x": hr.Float64, "y": hr.Float64, "n": hr.Int64}


def plan_of(features: dict[str, Any], **more: Any) -> ViewPlan:
    source = hr.StreamSource("events", schema=SCHEMA, format="json", timestamp="at", **more)
    return plan_view(hr.FeatureView("v", entity=ENTITY, source=source, features=features))


def job_of(plan: ViewPlan, known: str = "happened", at: int = 100, size: int = 1_000) -> ViewValues:
    keys = pl.DataFrame({"e": np.arange(6)})
    return ViewValues(
        plan,
        list(plan.feature_types),
        keys,
        np.full(6, at),
        strict=False,
        known=known,
        partition_rows=size,
        expected=2 * size,
    )


ROUNDED = {
    "sum": hr.sum("x", over="1h"),
    "mean": hr.avg("y", over=hr.lifetime()),
    "spread": hr.variance("x", over="1h"),
    "sum_of_some": hr.sum("y", over="1h", where="n > 1"),
}
EXACT = {"n": hr.count(over="1h"), "whole": hr.sum("n", over="1h"), "most": hr.max("x", over="1h")}


@pytest.mark.parametrize("size", [1_000, 40])  # whole partitions, and parts of them
def test_values_repeat_bit_for_bit_in_whatever_order_events_of_one_instant_come(size: int) -> None:
    plan, n = plan_of(ROUNDED | EXACT), 600
    random = np.random.default_rng(4)
    x = pl.Series(np.exp(random.normal(0, 20, n))).set(pl.Series(random.random(n) < 0.1), None)
    events = pl.DataFrame(
        {
            "e": random.integers(0, 5, n),
            "at": pl.Series(random.integers(0, 20, n)).cast(pl.Datetime("us", "UTC")),
            "x": x,
            "y": -random.permutation(x.fill_null(3.0).to_numpy()),
            "n": random.integers(0, 4, n),
            "_row": np.arange(n),
            **{
                name: pl.Series([None] * n, dtype=pl.Int64)
                for name in ("_partition", "_offset", "_timestamp")
            },
        }
    )
    found = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(n) if seed else np.arange(n)
        with job_of(plan, size=size) as job:
            job.add(plan.source.kept(events[order], ordered=job.ordered))
            found.append(job.values(1))
    assert all(other.equals(found[0]) for other in found[1:])
    assert found[0]["n"].sum() == n
    exactly = events.group_by("e").agg(pl.col("x").sum()).sort("e")["x"]
    assert found[0]["sum"][:5].to_list() == pytest.approx(exactly.to_list(), rel=1e-12)


@pytest.mark.parametrize(
    ("features", "more", "known", "ordered"),
    [
        (ROUNDED | EXACT, {}, "happened", False),
        ({"ratio": hr.ratio(hr.sum("x", over="1h"), hr.count(over="1h"))}, {}, "happened", False),
        (EXACT | {"last": hr.latest("x", over="1h")}, {}, "happened", True),
        (EXACT | {"first": hr.first("n", over="1h")}, {}, "happened", True),
        (EXACT | {"few": hr.last_n("n", 2, over="1h")}, {}, "happened", True),
        ({"median": hr.quantile("x", 0.5, over="1h")}, {}, "happened", True),
        ({"n": hr.count(over=hr.session("1h"))}, {}, "happened", True),
        ({"drawn": hr.sum("rand()", over="1h")}, {}, "happened", True),  # by the event's place
        (EXACT, {}, "ingested", True),
        (EXACT, {"event_id": "n", "dedup": "1h"}, "happened", True),
    ],
)
def test_the_log_s_order_is_read_where_a_value_depends_on_it(
    features: dict[str, Any], more: dict[str, Any], known: str, ordered: bool
) -> None:
    with job_of(plan_of(features, **more), known) as job:
        assert job.ordered is ordered


def test_places_are_not_read_where_no_order_is_asked_for() -> None:
    events = pl.DataFrame(
        {"e": [1], "at": [5], "x": [1.0], "y": [2.0], "n": [3], "_partition": [7], "_offset": [9]}
    )
    source = plan_of(EXACT).view.source
    read = FrameEvents(source, events.lazy().with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))))
    (with_places,) = read.batches({"x"}, 0, 10)
    (without,) = read.batches({"x"}, 0, 10, ordered=False)
    assert with_places.select("_partition", "_offset").rows() == [(7, 9)]
    assert without.select("_partition", "_offset", "x").rows() == [(None, None, 1.0)]
