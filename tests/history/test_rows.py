"""Events as Arrow: types, dates and spans."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as Dec

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import PositionError, UsageError
from headrace.history.rows import history_rows, require_within
from headrace.history.schema import HistorySchema
from headrace.types import (
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)
from tests.history.events import SCHEMA, events


def one_column(type: DataType, values: list[object]) -> pa.ChunkedArray:
    frame = events(0, len(values)).select(pl.selectors.starts_with("_"))
    frame = frame.with_columns(x=pl.Series(values, dtype=type.polars))
    return history_rows(frame, HistorySchema({"x": type}))["x"]


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 11, 21, 23, 59, 59, 999_999, UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 22, tzinfo=UTC), date(2026, 11, 22)),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), date(1969, 12, 31)),
        (datetime(1, 1, 1, 1, tzinfo=UTC), date(1, 1, 1)),
        (datetime(9999, 12, 31, 12, tzinfo=UTC), date(9999, 12, 31)),
    ],
)
def test_an_event_falls_on_the_utc_date_of_its_event_time(instant: datetime, day: date) -> None:
    assert history_rows(events(0, 1, at=instant), SCHEMA)["_date"].to_pylist() == [day]


def test_an_event_time_may_be_a_date() -> None:
    frame = events(0, 2).drop("at").with_columns(at=pl.Series([date(2020, 2, 29), date(1960, 1, 1)]))
    rows = history_rows(frame, HistorySchema({"user": String, "amount": Int64, "at": Date}, "at"))
    assert rows["_date"].to_pylist() == [date(2020, 2, 29), date(1960, 1, 1)]


def test_columns_come_in_order_and_of_their_types_from_polars_and_from_arrow() -> None:
    frame = events(0, 3)
    rows = history_rows(frame.select(frame.columns[::-1]), SCHEMA)
    assert rows.schema == SCHEMA.arrow
    assert history_rows(frame.to_arrow(), SCHEMA) == rows
    assert history_rows(rows, SCHEMA) == rows
    assert rows["amount"].to_pylist() == [0, 1, 2]


def test_no_events_are_an_empty_table() -> None:
    assert history_rows(events(0, 0), SCHEMA).num_rows == 0


@pytest.mark.parametrize(
    ("type", "values"),
    [
        (Decimal(38, 4), [Dec("1.5000"), None, Dec("-9" * 1 + "9" * 30)]),
        (Float32, [0.5, None, float("inf")]),
        (Bytes, [b"", b"\xff", None]),
        (List(String), [["a", None], [], None]),
        (
            Struct({"a": Int64, "t": Timestamp}),
            [{"a": 1, "t": datetime(2020, 1, 1, tzinfo=UTC)}, None, {"a": None, "t": None}],
        ),
    ],
)
def test_a_column_of_any_type_keeps_its_values(type: DataType, values: list[object]) -> None:
    column = one_column(type, values)
    assert column.type == type.arrow
    assert column.to_pylist() == values


MAPS = st.none() | st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9), max_size=3)


@given(st.lists(MAPS, max_size=5), st.integers(0, 5))
def test_a_map_keeps_its_entries_and_its_nulls(maps: list[dict[str, int | None] | None], skip: int) -> None:
    entries = [None if m is None else [{"key": k, "value": v} for k, v in m.items()] for m in maps]
    type = Map(String, Int64)
    frame = events(0, len(maps)).select(pl.selectors.starts_with("_"))
    frame = frame.with_columns(x=pl.Series(entries, dtype=type.polars)).slice(skip)
    column = history_rows(frame, HistorySchema({"x": type}))["x"]
    assert column.type == pa.map_(pa.string(), pa.int64())
    assert column.to_pylist() == [None if m is None else list(m.items()) for m in maps[skip:]]


def test_maps_inside_of_lists_and_structs_keep_their_places() -> None:
    type = Struct({"l": List(Map(String, List(Map(Int64, String)))), "n": Int64})

    def entry(k: object, v: object) -> dict[str, object]:
        return {"key": k, "value": v}

    values = [
        {"l": [[entry("a", [[entry(1, "x")], None, []])], None, []], "n": 1},
        None,
        {"l": None, "n": None},
        {"l": [[entry("b", None)]], "n": 2},
    ]
    assert one_column(type, list(values)).to_pylist() == [
        {"l": [[("a", [[(1, "x")], None, []])], None, []], "n": 1},
        None,
        {"l": None, "n": None},
        {"l": [[("b", None)]], "n": 2},
    ]


def test_columns_that_lack_or_are_too_many_are_named() -> None:
    frame = events(0, 1).rename({"user": "usr"})
    with pytest.raises(UsageError, match=r"lack \['user'\], and have \['usr'\] which the table has not"):
        history_rows(frame, SCHEMA)


def test_an_event_without_an_event_time_is_refused() -> None:
    frame = events(0, 3).with_columns(at=pl.when(pl.col("_offset") != 1).then("at"))
    with pytest.raises(UsageError, match=r"1 events for history have no event time \(`at`\)"):
        history_rows(frame, SCHEMA)


@pytest.mark.parametrize(("span", "ok"), [((0, 10), True), ((3, 6), True), ((4, 6), False), ((3, 5), False)])
def test_events_stand_within_the_span_of_their_commit(span: tuple[int, int], ok: bool) -> None:
    rows = history_rows(events(3, 6), SCHEMA)
    if ok:
        require_within(rows, {("pay", 0): span})
    else:
        with pytest.raises(PositionError, match="events 3 to 5 of pay/0 are not within"):
            require_within(rows, {("pay", 0): span})


def test_events_of_a_partition_without_a_span_are_refused() -> None:
    rows = history_rows(events(0, 1, partition=1), SCHEMA)
    with pytest.raises(PositionError, match="events 0 to 0 of pay/1 are not within"):
        require_within(rows, {("pay", 0): (0, 1)})
