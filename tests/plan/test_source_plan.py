"""A source's plan: event times, their order, and what is refused."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import headrace as hr
from headrace.durations import DAY, HOUR, parse_instant
from headrace.plan import SourcePlan
from headrace.types import DataType

NOW = parse_instant("2026-01-01T00:00:00Z")


def source(type: DataType = hr.Timestamp, **more: Any) -> hr.StreamSource:
    given = {"timestamp": "at", **more}
    return hr.StreamSource("events", schema={"id": hr.Int64, "at": type}, format="json", key="id", **given)


def frame(at: list[int | None], type: DataType = hr.Timestamp, stamp: int = NOW, **more: Any) -> pl.DataFrame:
    n = len(at)
    return pl.DataFrame(
        {
            "id": range(n),
            "at": pl.Series(at, dtype=pl.Int64)
            .cast(pl.Int32 if type == hr.Date else pl.Int64)
            .cast(type.polars),
            "_partition": pl.Series([0] * n, dtype=pl.Int32),
            "_offset": range(n),
            "_timestamp": [stamp] * n,
            "_row": range(n),
            **more,
        }
    )


@pytest.mark.parametrize(
    ("type", "given", "expected"),
    [
        (hr.Timestamp, NOW, NOW),
        (hr.Int64, NOW // 1000, NOW),
        (hr.Date, NOW // DAY, NOW),
        (hr.Int64, -1, -1000),
    ],
)
def test_event_time_is_what_the_column_says(type: DataType, given: int, expected: int) -> None:
    accepted = SourcePlan(source(type)).accept(frame([given], type), clock="wall")
    assert accepted.frame["_event_time"].to_list() == [expected]
    assert accepted.max_event_time == {0: expected}


def test_without_a_column_event_time_is_the_records_timestamp() -> None:
    accepted = SourcePlan(source(timestamp=None)).accept(frame([None]), clock="wall")
    assert accepted.frame["_event_time"].to_list() == [NOW]


def test_what_has_no_time_or_is_too_far_ahead_is_refused() -> None:
    plan = SourcePlan(source(max_ahead="10m"))
    accepted = plan.accept(frame([None, NOW + HOUR, NOW + HOUR // 6, -5]), clock="event")
    assert [(row, reason) for row, reason, _ in accepted.dead] == [
        (0, "timestamp_missing"),
        (1, "timestamp_future"),
    ]
    assert accepted.dead[1][2] == (
        "the event time 2026-01-01T01:00:00.000000Z is 1h after the record's timestamp "
        "2026-01-01T00:00:00.000000Z, more than max_ahead 10m"
    )
    assert accepted.frame["_row"].to_list() == [2, 3]


def test_a_record_without_a_timestamp_cannot_be_too_far_ahead() -> None:
    accepted = SourcePlan(source(max_ahead="10m")).accept(frame([NOW + HOUR], stamp=-1), clock="event")
    assert (len(accepted.frame), accepted.dead) == (1, [])


@pytest.mark.parametrize("milliseconds", [2**62, 253402300800000, -(2**62)])
def test_a_time_beyond_all_years_is_refused_not_wrapped(milliseconds: int) -> None:
    accepted = SourcePlan(source(hr.Int64)).accept(frame([milliseconds], hr.Int64), clock="wall")
    assert [reason for _, reason, _ in accepted.dead] == [
        "timestamp_future" if milliseconds > 0 else "timestamp_missing"
    ]


def test_with_a_fixed_clock_later_events_are_for_history_alone() -> None:
    accepted = SourcePlan(source()).accept(frame([NOW - 1, NOW, NOW + 1]), clock=NOW)
    assert (accepted.frame["_row"].to_list(), accepted.dropped_after_clock) == ([0, 1], 1)


def test_order_is_by_topic_as_declared_then_partition_then_offset() -> None:
    plan = SourcePlan(source(topics=["b", "a"]))
    given = frame(
        [NOW] * 4,
        _topic=["a", "b", "b", "b"],
        _partition=pl.Series([0, 65535, 1, 1], dtype=pl.Int32),
        _offset=[0, 0, 2**41 - 1, 5],
    )
    order = plan.accept(given, clock="wall").frame["_order"]
    assert order.arg_sort().to_list() == [3, 2, 1, 0]


def test_no_events_are_no_trouble() -> None:
    accepted = SourcePlan(source(max_ahead="1s")).accept(frame([]), clock="event")
    assert (len(accepted.frame), accepted.dead, accepted.max_event_time) == (0, [], {})
