"""Columns of instants agree with Python's own calendar."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.durations import DAY, format_instant
from headrace.online.instants import END, FIRST, instant_text


@given(st.lists(st.none() | st.integers(FIRST, END - 1), min_size=1))
def test_any_instants_are_written_as_python_writes_them(us: list[int | None]) -> None:
    written = instant_text(pl.Series(us, dtype=pl.Int64)).to_list()
    assert written == [None if u is None else format_instant(u) for u in us]


@given(st.integers(FIRST, END - 400 * DAY), st.lists(st.integers(0, 399 * DAY), min_size=1))
def test_instants_of_one_year_are_written_as_python_writes_them(first: int, after: list[int]) -> None:
    us = [first + a for a in after]
    assert instant_text(pl.Series(us)).to_list() == [format_instant(u) for u in us]


def test_the_last_days_of_the_year_9999_are_not_the_first_of_the_next() -> None:
    assert instant_text(pl.Series([END - 1, END - DAY])).to_list() == [
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T00:00:00.000000Z",
    ]


def test_a_column_without_instants_has_no_text() -> None:
    assert instant_text(pl.Series([None], dtype=pl.Int64)).to_list() == [None]
    assert instant_text(pl.Series([], dtype=pl.Int64)).to_list() == []
