"""Python inside a view is tried before it runs: what it says of a row may depend on that row alone."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import polars as pl
import pytest

import headrace as hr
from headrace.plan import plan_view
from headrace.plan.row_wise import check_row_wise
from headrace.plan.sample import sample
from headrace.types import Map, Struct

COLUMNS = {
    "id": hr.Int64,
    "at": hr.Timestamp,
    "x": hr.Float64,
    "s": hr.String,
    "d": hr.Decimal(10, 2),
    "l": hr.List(hr.Int32),
    "m": Map(hr.String, hr.Int64),
    "t": Struct({"a": hr.Date, "b": hr.Bool}),
}


def told(**more: Any) -> str | None:
    source = hr.StreamSource("events", schema=COLUMNS, format="json", key="id", timestamp="at")
    entity = hr.Entity("thing", keys={"id": hr.Int64})
    more = {"features": {"n": hr.count(over="1h")}, **more}
    view = hr.FeatureView("v", entity=entity, source=source, **more)
    error = check_row_wise(plan_view(view))
    return None if error is None else str(error).split(" Batches")[0]


@hr.function(returns=hr.Float64)
def share_of(x: pl.Series) -> pl.Series:
    return x / x.sum()


@hr.function(returns=hr.Float64)
def plus_one(x: pl.Series) -> pl.Series:
    return x + 1


def centred(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(y=pl.col("x") - pl.col("x").mean())


def doubled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(y=pl.col("x") * 2)


def changed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(s=pl.col("s").shift(1))


def firsts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.unique("s", keep="first")


def filtered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("x") > 0)


def lucky(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(y=pl.lit(random.random()))


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(y=frame["x"].rank())


def rooted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(y=frame["x"].abs() ** 0.5)


def failing(frame: pl.DataFrame) -> pl.DataFrame:
    if (frame["x"] < 0).any():
        raise ValueError("negative")
    return frame


@pytest.mark.parametrize(
    ("fn", "adds", "got"),
    [
        (centred, {"y": hr.Float64}, "another value in `y` in smaller batches"),
        (changed, {}, "another value in `s` in smaller batches"),
        (lucky, {"y": hr.Float64}, "another value in `y` when it is run again"),
        (ranked, {"y": hr.Float64}, "another value in `y` in smaller batches"),
    ],
)
def test_a_transform_that_looks_at_other_rows_is_refused(fn: Any, adds: dict[str, Any], got: str) -> None:
    message = told(transform=hr.transform(fn, adds=adds))
    assert message is not None
    assert f"FeatureView v transform: the transform `{fn.__name__}` is not row-wise" in message
    assert message.endswith(f"expected the same for a row whatever rows are beside it; got {got}.")


def test_a_transform_that_drops_rows_by_others_is_refused() -> None:
    message = told(transform=hr.transform(firsts))
    assert message is not None
    assert "got other rows are dropped" in message


@pytest.mark.parametrize("fn", [doubled, filtered, rooted, failing])
def test_a_transform_that_looks_at_its_row_alone_passes(fn: Any) -> None:
    adds = {"y": hr.Float64} if fn in (doubled, rooted) else {}
    assert told(transform=hr.transform(fn, adds=adds)) is None


def test_the_filter_hides_no_transform_from_the_trial() -> None:
    assert told(where="id = -1000000", transform=hr.transform(centred, adds={"y": hr.Float64})) is not None


def test_functions_are_tried_where_they_are_called() -> None:
    assert told(columns={"y": "plus_one(x)"}) is None
    assert "columns.y: a Python function" in str(told(columns={"y": "share_of(x)"}))
    assert "v where: a Python function" in str(told(where="share_of(x) > 0.1"))
    features = {"f": hr.sum("share_of(x)", over="1h")}
    assert "another value of `share_of(x)`" in str(told(features=features))


def test_made_up_rows_are_always_the_same_and_have_every_type() -> None:
    source = hr.StreamSource("events", schema=COLUMNS, format="json", key="id", timestamp="at")
    frame = sample(source)
    assert frame.equals(sample(source))
    assert frame.select(list(COLUMNS)).schema == {name: t.polars for name, t in COLUMNS.items()}
    assert all(frame[name].null_count() < len(frame) for name in COLUMNS)


def rekeyed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(id=pl.col("id") % 2)


def test_a_transform_that_changes_a_key_says_so_in_adds() -> None:
    message = told(transform=hr.transform(rekeyed))
    assert message is not None
    assert "the transform `rekeyed` changes `id`, a key of thing" in message
    assert "Say adds={'id': hr.Int64}" in message
    assert told(transform=hr.transform(rekeyed, adds={"id": hr.Int64})) is None
    assert told(transform=hr.transform(doubled, adds={"y": hr.Float64})) is None
