"""One value, one text: the table of the spec, section 5, and the way back."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Dec

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DecodeError
from headrace.online.text import from_text, to_text
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


def texts(values: list[object], type: DataType) -> list[str | None]:
    return to_text(pl.Series("x", values, dtype=type.polars, strict=True), type).to_list()


@pytest.mark.parametrize(
    ("type", "value", "text"),
    [
        (Int32, -(2**31), "-2147483648"),
        (Int64, 2**63 - 1, "9223372036854775807"),
        (Decimal(38, 2), Dec("1.5"), "1.50"),
        (Decimal(38, 2), Dec("-0.05"), "-0.05"),
        (Decimal(38, 0), Dec("9" * 38), "9" * 38),
        (Decimal(5, 0), Dec("-7"), "-7"),
        (Float64, 12.5, "12.5"),
        (Float64, 0.1 + 0.2, "0.30000000000000004"),
        (Float64, math.nan, "NaN"),
        (Float64, math.inf, "Infinity"),
        (Float64, -math.inf, "-Infinity"),
        (Float32, 0.1, "0.1"),
        (Bool, True, "true"),
        (Bool, False, "false"),
        (String, "héllo | wörld\n", "héllo | wörld\n"),
        (String, "", ""),
        (Timestamp, datetime(2026, 11, 21, 7, 40, 0, 123456, UTC), "2026-11-21T07:40:00.123456Z"),
        (Timestamp, datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), "1969-12-31T23:59:59.999999Z"),
        (Timestamp, datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (Timestamp, datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), "9999-12-31T23:59:59.999999Z"),
        (Date, date(2026, 11, 21), "2026-11-21"),
        (Date, date(1, 1, 1), "0001-01-01"),
        (Bytes, b"\xff\x00", "/wA="),
        (Bytes, b"", ""),
        (List(Int64), [1, None, 3], "[1,null,3]"),
        (List(String), [], "[]"),
        (List(List(Float64)), [[0.5, math.nan], [], None], '[[0.5,"NaN"],[],null]'),
        (List(Date), [date(2026, 1, 2)], '["2026-01-02"]'),
        (List(Bytes), [b"\xff\x00"], '["/wA="]'),
        (List(Decimal(10, 2)), [Dec("1.50"), Dec("2.00")], "[1.50,2.00]"),
        (Struct({"a": Int64, "b": String}), {"a": 1, "b": 'x"\n'}, '{"a":1,"b":"x\\"\\n"}'),
        (Struct({"a": Int64, "b": Bool}), {"a": None, "b": True}, '{"a":null,"b":true}'),
    ],
)
def test_a_value_has_the_text_of_the_public_layout(type: DataType, value: object, text: str) -> None:
    assert texts([value, None], type) == [text, None]
    back = from_text(text, type)
    if isinstance(value, float) and math.isnan(value):
        assert isinstance(back, float)
        assert math.isnan(back)
    elif type not in (Float32, List(List(Float64))):
        assert back == value


def test_a_map_is_a_json_object_by_the_text_of_its_keys() -> None:
    type = Map(Int64, Decimal(10, 2))
    entries = [{"key": 7, "value": Dec("1.5")}, {"key": -1, "value": None}]
    assert texts([entries, [], None], type) == ['{"7":1.50,"-1":null}', "{}", None]
    assert from_text('{"7":1.50,"-1":null}', type) == {7: Dec("1.50"), -1: None}


def test_a_decimal_in_json_reads_back_with_all_its_digits() -> None:
    type = List(Decimal(38, 10))
    value = Dec("1234567890123456789012345678.0123456789")
    assert from_text(texts([[value]], type)[0] or "", type) == [value]


def test_a_column_of_another_width_is_cast_to_its_type_first() -> None:
    assert to_text(pl.Series([1, 2], dtype=pl.Int8), Float64).to_list() == ["1.0", "2.0"]
    assert to_text(pl.Series([Dec("1.5")]), Decimal(10, 3)).to_list() == ["1.500"]


def test_an_expression_gives_the_text_of_its_column() -> None:
    frame = pl.DataFrame({"x": [1.0, None]})
    assert frame.select(to_text(pl.col("x") * 2, Float64)).to_series().to_list() == ["2.0", None]
    assert frame.lazy().select(to_text(pl.col("x"), Float64)).collect_schema() == {"x": pl.String}


def test_a_timestamp_beyond_the_year_9999_is_written_all_the_same() -> None:
    column = pl.Series([253_402_300_800_000_000], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    assert to_text(column, Timestamp).to_list() == ["+10000-01-01T00:00:00.000000Z"]
    with pytest.raises(DecodeError, match=r"text of a Timestamp, got '\+10000"):
        from_text("+10000-01-01T00:00:00.000000Z", Timestamp)


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("x", Int64),
        ("1.5.2", Float64),
        ("TRUE", Bool),
        ("1,5", Decimal(10, 2)),
        ("2026-13-01", Date),
        ("?", Bytes),
        ("[1", List(Int64)),
        ("{}", List(Int64)),
        ('[{"a":1}]', List(Int64)),
    ],
)
def test_a_text_of_another_type_is_refused(text: str, type: DataType) -> None:
    with pytest.raises(DecodeError, match="expected the text of a"):
        from_text(text, type)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(
    lambda us: EPOCH + timedelta(microseconds=us)
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
LEAVES: dict[DataType, st.SearchStrategy[object]] = {
    Int32: st.integers(-(2**31), 2**31 - 1),
    Int64: st.integers(-(2**63), 2**63 - 1),
    Float64: st.floats(allow_nan=False),
    Float32: st.floats(allow_nan=False, width=32),
    Bool: st.booleans(),
    String: NAMES,
    Timestamp: INSTANTS,
    Date: st.dates(),
    Bytes: st.binary(max_size=12),
    Decimal(38, 9): st.decimals(-(10**29) + 1, 10**29 - 1, places=9),
}


@given(st.data(), st.sampled_from(list(LEAVES)))
def test_every_value_comes_back_from_its_text(data: st.DataObject, type: DataType) -> None:
    values = data.draw(st.lists(st.none() | LEAVES[type], max_size=6))
    assert [t if t is None else from_text(t, type) for t in texts(list(values), type)] == values


@given(st.data(), st.sampled_from(list(LEAVES)))
def test_every_nested_value_is_json_and_comes_back(data: st.DataObject, item: DataType) -> None:
    leaf = st.none() | LEAVES[item]
    type = List(Struct({"a b": item, 'q"': List(item)}))
    values = data.draw(
        st.lists(
            st.none()
            | st.lists(
                st.fixed_dictionaries({"a b": leaf, 'q"': st.none() | st.lists(leaf, max_size=3)}), max_size=3
            ),
            max_size=4,
        )
    )
    written = texts(list(values), type)
    assert [t is None for t in written] == [v is None for v in values]
    assert all(isinstance(json.loads(t), list) for t in written if t is not None)
    assert [t if t is None else from_text(t, type) for t in written] == values


@given(st.lists(st.dictionaries(NAMES, st.none() | st.integers(-9, 9), max_size=3), max_size=3))
def test_every_map_comes_back_from_its_json(maps: list[dict[str, int | None]]) -> None:
    type = Map(String, Int64)
    entries = [[{"key": k, "value": v} for k, v in m.items()] for m in maps]
    assert [from_text(t or "", type) for t in texts(list(entries), type)] == maps
