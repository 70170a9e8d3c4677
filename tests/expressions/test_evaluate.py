"""Any Arrow table in, the Arrow type of the Spark type out."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest

from headrace.errors import DefinitionError
from headrace.expressions import evaluate

MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
UTC = MOMENT.replace(tzinfo=datetime.UTC)


def table(**columns: pa.Array) -> pa.Table:
    return pa.table(columns)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_timestamps_of_any_unit_and_zone_are_utc_microseconds(unit: str, zone: str | None) -> None:
    whole = pa.array([1709209815, None], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp(unit, zone))
    out = evaluate("t + interval 1 hour", table(t=whole))
    assert out.type == pa.timestamp("us", "UTC")
    assert out.cast(pa.int64()).to_pylist() == [(1709209815 + 3600) * 1_000_000, None]


@pytest.mark.parametrize(
    "names",
    [
        pa.array(["a", None, "b"], pa.large_string()),
        pa.array(["a", None, "b"], pa.string_view()),
        pa.array(["a", None, "b"]).dictionary_encode(),
        pa.chunked_array([pa.array(["a"]), pa.array([None, "b"], pa.string())]),
    ],
)
def test_strings_in_any_encoding_are_strings(names: Any) -> None:
    out = evaluate("upper(s)", table(s=names))
    assert (out.type, out.to_pylist()) == (pa.string(), ["A", None, "B"])


@pytest.mark.parametrize(
    ("text", "arrow", "value"),
    [
        ("cast(1 as tinyint)", pa.int8(), 1),
        ("cast(1 as smallint)", pa.int16(), 1),
        ("1", pa.int32(), 1),
        ("1L", pa.int64(), 1),
        ("cast(1 as float)", pa.float32(), 1.0),
        ("1e0", pa.float64(), 1.0),
        ("1.50", pa.decimal128(3, 2), decimal.Decimal("1.50")),
        ("true", pa.bool_(), True),
        ("x'4d'", pa.binary(), b"M"),
        ("date '2024-02-29'", pa.date32(), datetime.date(2024, 2, 29)),
        ("timestamp '2024-02-29 12:30:15.123456'", pa.timestamp("us", "UTC"), UTC),
        ("null", pa.null(), None),
        ("array(1, null)", pa.list_(pa.int32()), [1, None]),
        ("map('a', 1)", pa.map_(pa.string(), pa.int32()), [("a", 1)]),
        ("named_struct('m', map('a', array(map('b', 2))))", None, {"m": [("a", [[("b", 2)]])]}),
    ],
)
def test_the_result_has_the_arrow_type_of_the_spark_type(
    text: str, arrow: pa.DataType | None, value: Any
) -> None:
    out = evaluate(text, table(x=pa.array([0, 0])))
    assert out.to_pylist() == [value, value]
    assert arrow is None or out.type == arrow


def test_maps_go_in_and_come_out_with_nulls_and_slices() -> None:
    maps = pa.array([[("a", 1)], None, [("b", None), ("c", 3)], []], pa.map_(pa.string(), pa.int64()))
    whole = table(m=maps)
    assert evaluate("m", whole).to_pylist() == maps.to_pylist()
    assert evaluate("m['c']", whole.slice(1, 2)).to_pylist() == [None, 3]
    assert evaluate("array(m)", whole.slice(2)).to_pylist() == [[[("b", None), ("c", 3)]], [[]]]


def test_unsigned_and_small_integers_are_ints() -> None:
    out = evaluate("u + 1", table(u=pa.array([255, None], pa.uint8())))
    assert (out.type, out.to_pylist()) == (pa.int32(), [256, None])


def test_a_table_without_rows_has_a_result_without_rows() -> None:
    out = evaluate("x + 1", table(x=pa.array([], pa.int32())))
    assert (out.type, len(out)) == (pa.int32(), 0)


def test_a_refused_expression_and_a_column_of_no_type_are_definition_errors() -> None:
    with pytest.raises(DefinitionError, match="no column `y`"):
        evaluate("y", table(x=pa.array([1])))
    with pytest.raises(DefinitionError, match="column `x`"):
        evaluate("1", table(x=pa.array([datetime.time(1)])))


def test_rows_count_as_offsets_where_the_table_has_none() -> None:
    rows = table(x=pa.array([1, 2, 3]))
    drawn = evaluate("rand()", rows).to_pylist()
    assert drawn == evaluate("rand()", rows).to_pylist()
    assert len(set(drawn)) == 3
    placed = rows.append_column("_offset", pa.array([2, 1, 0]))
    assert evaluate("rand()", placed).to_pylist() == drawn[::-1]
