"""Typed values as words and bytes: exact there and back, in their type's order where they have one."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal as PyDecimal
from typing import Any

import polars as pl
import pytest

from headrace.aggregates.values import from_bytes, from_words, is_word, to_bytes, to_words
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)

NESTED = Struct(
    {"a": List(Int64), "m": Map(String, Decimal(10, 2)), "t": Timestamp, "x": Struct({"b": Bytes})}
)

ASCENDING: list[tuple[DataType, list[Any]]] = [
    (Int64, [-(2**63), -1, 0, 1, 2**63 - 1]),
    (Int32, [-(2**31), 0, 2**31 - 1]),
    (Float64, [-math.inf, -1.5, -5e-324, -0.0, 0.0, 5e-324, 1.5, math.inf, math.nan]),
    (Float32, [-math.inf, -1.5, 0.0, 1.5, math.inf, math.nan]),
    (Bool, [False, True]),
    (Date, [date(1, 1, 1), date(1969, 12, 31), date(2026, 1, 1)]),
    (
        Timestamp,
        [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)],
    ),
    (
        Decimal(18, 4),
        [
            PyDecimal("-99999999999999.9999"),
            PyDecimal("-0.0001"),
            PyDecimal("0.0000"),
            PyDecimal("99999999999999.9999"),
        ],
    ),
    (
        Decimal(38, 4),
        [
            PyDecimal("-" + "9" * 34 + ".9999"),
            PyDecimal("-0.0001"),
            PyDecimal("0.0000"),
            PyDecimal("9" * 34 + ".9999"),
        ],
    ),
    (String, ["", "A", "a", "aa", "ä", "😀"]),
    (Bytes, [b"", b"\x00", b"a", b"\xff"]),
]


@pytest.mark.parametrize(
    ("type", "values"), ASCENDING, ids=lambda x: str(x) if isinstance(x, DataType) else ""
)
def test_values_come_back_and_keep_their_order(type: DataType, values: list[Any]) -> None:
    series = pl.Series(values, dtype=type.polars)
    if is_word(type):
        words = to_words(series, type)
        assert words.tolist() == sorted(words.tolist())
        back = from_words(words, type)
    else:
        texts = to_bytes(series, type)
        assert texts.to_list() == sorted(texts.to_list())
        back = from_bytes(texts, type)
    assert back.dtype == series.dtype
    assert list(map(repr, back.to_list())) == list(map(repr, series.to_list()))


def test_nested_values_come_back() -> None:
    value = {
        "a": [1, None, -(2**63)],
        "m": [{"key": "k", "value": PyDecimal("1.50")}, {"key": "", "value": None}],
        "t": datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC),
        "x": {"b": b"\x00\xff"},
    }
    series = pl.Series([value, None, {"a": [], "m": None, "t": None, "x": None}], dtype=NESTED.polars)
    back = from_bytes(to_bytes(series, NESTED), NESTED)
    assert back.to_list() == series.to_list()


def test_nulls_among_wide_decimals_stay_null() -> None:
    series = pl.Series([PyDecimal("1.0000"), None], dtype=pl.Decimal(38, 4))
    assert from_bytes(to_bytes(series, Decimal(38, 4)), Decimal(38, 4)).to_list() == [
        PyDecimal("1.0000"),
        None,
    ]
