"""A view's plan: types, levels, where it is computed, its fingerprint, and every mistake at once."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import headrace as hr
from headrace.errors import DefinitionError, ProjectError
from headrace.plan import SourcePlan, plan_view
from headrace.types import DataType

SCHEMA = {
    "id": hr.Int64,
    "shop": hr.String,
    "at": hr.Timestamp,
    "i": hr.Int32,
    "f": hr.Float32,
    "d": hr.Decimal(10, 2),
    "s": hr.String,
    "b": hr.Bool,
    "l": hr.List(hr.Int64),
}


def view(
    features: dict[str, Any] | None = None, *, keys: dict[str, DataType] | None = None, **more: Any
) -> Any:
    told = {k: more.pop(k) for k in ("key", "topics", "lateness") if k in more}
    source = hr.StreamSource("events", schema=SCHEMA, format="json", timestamp="at", **{"key": "id", **told})
    entity = hr.Entity("thing", keys=keys or {"id": hr.Int64})
    return hr.FeatureView(
        "v", entity=entity, source=source, features=features or {"n": hr.count(over="1h")}, **more
    )


@pytest.mark.parametrize(
    ("aggregate", "type"),
    [
        (hr.count(over="1h"), hr.Int64),
        (hr.count_if("b", over="1h"), hr.Int64),
        (hr.sum("i", over="1h"), hr.Int64),
        (hr.sum("f", over="1h"), hr.Float64),
        (hr.sum("d", over="1h"), hr.Decimal(20, 2)),
        (hr.avg("i", over="1h"), hr.Float64),
        (hr.avg("d", over="1h"), hr.Decimal(14, 6)),
        (hr.max("f", over="1h"), hr.Float32),
        (hr.min("s", over="1h"), hr.String),
        (hr.latest("l"), hr.List(hr.Int64)),
        (hr.stddev("i", over="1h"), hr.Float64),
        (hr.any("b", over="1h"), hr.Bool),
        (hr.ratio(hr.sum("d", over="1h"), hr.count(over="1h")), hr.Float64),
        (hr.latest("i", type=hr.String), hr.String),
        (hr.latest("cast(i as tinyint)"), hr.Int32),
        (hr.last_n("cast(i as tinyint)", 3, over="1h"), hr.List(hr.Int32)),
        (hr.first_n("l", 3, over="1h"), hr.List(hr.List(hr.Int64))),
        (hr.last_n("i", 3, over="1h", type=hr.List(hr.String)), hr.List(hr.String)),
        (hr.count_distinct("s", over="1h"), hr.Int64),
        (hr.quantile("i", 0.9, over="1h"), hr.Float64),
        (hr.median("d", over="1h"), hr.Float64),
        (hr.top_k("d", 3, over="1h"), hr.List(hr.Decimal(10, 2))),
        (hr.decayed_sum("d", "1h"), hr.Float64),
    ],
)
def test_types_follow_spark(aggregate: Any, type: DataType) -> None:
    assert plan_view(view({"x": aggregate})).feature_types == {"x": type}


def test_windows_of_one_step_share_a_level_and_equal_partials_are_kept_once() -> None:
    plan = plan_view(
        view(
            {
                "a": hr.sum("i", over="1h"),
                "b": hr.avg("i", over=hr.tumbling("1m")),
                "c": hr.count("i", over="1h"),
                "d": hr.count(over=hr.lifetime()),
                "e": hr.sum("i", over="24h"),
            }
        )
    )
    minute, lifetime, hour = plan.levels
    assert (minute.step, len(minute.windows), len(minute.slots)) == (60_000_000, 2, 2)
    assert (lifetime.step, len(lifetime.slots)) == (0, 1)
    assert (hour.step, len(hour.slots)) == (3_600_000_000, 1)
    assert plan.inputs == {"i": hr.Int32}
    assert plan.windows["a"] == (hr.rolling("1h", "1m"),)


def test_a_view_is_shuffled_when_its_entity_is_not_the_topics_key() -> None:
    assert not plan_view(view()).shuffled
    assert not plan_view(view(keys={"shop": hr.String, "id": hr.Int64})).shuffled
    assert plan_view(view(keys={"shop": hr.String})).shuffled
    assert plan_view(view(key=None)).shuffled
    assert plan_view(view(topics=["a", "b"])).shuffled
    assert plan_view(view(columns={"id": "id + 1"})).shuffled


def test_the_fingerprint_changes_with_values_and_not_with_words() -> None:
    base = plan_view(view()).fingerprint
    assert plan_view(view(description="of things", owner="me")).fingerprint == base
    assert plan_view(view({"n": hr.count(over=hr.rolling("1h", "1m"), description="x")})).fingerprint == base
    changed = [
        view({"n": hr.count(over="2h")}),
        view({"n": hr.count(over=hr.rolling("1h", "2m"))}),
        view(where="b"),
        view(ttl="1d"),
        view(lateness="1s"),
        view({"n": hr.count(over="1h", default=7)}),
    ]
    assert base not in {plan_view(v).fingerprint for v in changed}


def test_rows_are_columns_then_where_then_transform_then_key_and_inputs() -> None:
    def big(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("i") != 3).with_columns(big=pl.col("double") > 2)

    v = view(
        {"n": hr.count(where="big", over="1h"), "m": hr.max("double", over="1h")},
        columns={"double": "i * 2", "more": "double + 1"},
        where="more > 1",
        transform=hr.transform(big, adds={"big": hr.Bool}),
    )
    plan = plan_view(v)
    frame = events([(1, 1), (2, 0), (3, 3), (None, 4), (5, 5)])
    projected = plan.project(SourcePlan(v.source).accept(frame, clock="wall").frame)
    assert projected.rows["_key"].to_list() == ["1", "5"]
    assert projected.rows["* where big"].to_list() == [None, True]
    assert projected.rows["double"].to_list() == [2, 10]
    assert (projected.skipped_null_key, list(projected.null_keys)) == (1, [3])


def test_a_row_on_which_the_transform_fails_is_dead_and_the_others_go_on() -> None:
    def strict(frame: pl.DataFrame) -> pl.DataFrame:
        if (frame["i"] == 3).any():
            raise ValueError("three")
        return frame.with_columns(x=pl.col("i") + 1)

    v = view({"m": hr.max("x", over="1h")}, transform=hr.transform(strict, adds={"x": hr.Int64}))
    projected = plan_view(v).project(
        SourcePlan(v.source).accept(events([(1, 1), (2, 3), (4, 4)]), clock="wall").frame
    )
    assert projected.rows["x"].to_list() == [2, 5]
    assert projected.dead == [(1, "transform", "strict: ValueError: three")]


def test_a_pandas_transform_leaves_other_columns_as_they_are() -> None:
    def add(frame: Any) -> Any:
        frame["x"] = frame["i"].fillna(0) * 2
        return frame[frame["i"] != 3]

    v = view(
        {"m": hr.max("x", over="1h"), "n": hr.latest("i")},
        transform=hr.transform(add, adds={"x": hr.Int64}, frame="pandas"),
    )
    projected = plan_view(v).project(
        SourcePlan(v.source).accept(events([(1, 1), (2, None), (3, 3)]), clock="wall").frame
    )
    assert projected.dead == []
    assert projected.rows.select("x", "i").rows() == [(2, 1), (0, None)]


def events(pairs: list[tuple[int | None, int | None]]) -> pl.DataFrame:
    n = len(pairs)
    columns: dict[str, Any] = {name: pl.Series([None] * n, dtype=t.polars) for name, t in SCHEMA.items()}
    columns["id"] = pl.Series([a for a, _ in pairs], dtype=pl.Int64)
    columns["i"] = pl.Series([b for _, b in pairs], dtype=pl.Int32)
    columns["at"] = pl.Series([0] * n, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    meta = {"_partition": pl.Series([0] * n, dtype=pl.Int32), "_offset": range(n), "_timestamp": [0] * n}
    return pl.DataFrame({**columns, **meta, "_row": range(n)})


@pytest.mark.parametrize(
    ("features", "field", "message"),
    [
        ({"x": hr.sum("s", over="1h")}, "features.x", "sum() cannot take this expression; expected a number"),
        (
            {"x": hr.max("l", over="1h")},
            "features.x",
            "max() cannot take this expression; expected a type with an order",
        ),
        (
            {"x": hr.count(over="1h", where="i + 1")},
            "features.x",
            "a condition is true or false; expected Bool",
        ),
        (
            {"x": hr.sum("i", over="1h", default="none")},
            "features.x",
            "the default is not of the feature's type",
        ),
        ({"x": hr.latest("l", type=hr.Int64)}, "features.x", "Spark does not cast one to the other"),
        ({"x": hr.latest("null")}, "features.x", "the expression is always null"),
    ],
)
def test_a_mistake_says_where_and_what(features: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        plan_view(view(features))
    assert raised.value.field == field
    assert message in str(raised.value)


def test_all_mistakes_of_a_view_come_at_once() -> None:
    with pytest.raises(ProjectError) as raised:
        plan_view(
            view(
                {"x": hr.sum("amuont", over="1h"), "y": hr.avg("s", over="1h")},
                columns={"c": "nope + 1"},
                where="i",
            )
        )
    assert [e.field for e in raised.value.errors] == ["columns.c", "where", "features.x", "features.y"]


def test_what_an_entity_never_seen_reads_as() -> None:
    features = {
        "n": hr.count(over="1h"),
        "s": hr.sum("d", over="1h"),
        "m": hr.max("f", over="1h"),
        "a": hr.all("b", over="1h"),
        "x": hr.avg("i", over="1h", default=-1.0),
    }
    row = plan_view(view(features)).over_no_events.row(0)
    assert tuple(map(str, row)) == ("0", "0.00", "None", "True", "-1.0")
