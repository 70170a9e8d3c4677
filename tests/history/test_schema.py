"""The columns of a table, and which changes of them it can follow."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.errors import SchemaError
from headrace.history.schema import HistorySchema, gained, widened
from headrace.types import (
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
)


def test_a_table_has_the_sources_columns_then_ours_then_the_date() -> None:
    schema = HistorySchema(
        {"id": Int64, "price": Decimal(10, 2), "tags": Map(String, Int64), "at": Timestamp}, "at"
    )
    assert schema.arrow == pa.schema(
        [
            ("id", pa.int64()),
            ("price", pa.decimal128(10, 2)),
            ("tags", pa.map_(pa.string(), pa.int64())),
            ("at", pa.timestamp("us", "UTC")),
            ("_topic", pa.string()),
            ("_partition", pa.int32()),
            ("_offset", pa.int64()),
            ("_timestamp", pa.timestamp("us", "UTC")),
            ("_ingested_at", pa.timestamp("us", "UTC")),
            ("_date", pa.date32()),
        ]
    )


def test_the_event_time_is_kafkas_unless_a_column_is_named() -> None:
    assert HistorySchema({"id": Int64}).event_time == "_timestamp"
    assert HistorySchema({"day": Date}, "day").event_time == "day"


@pytest.mark.parametrize("name", ["at", "id"])
def test_an_event_time_that_is_no_time_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match=f"event time `{name}` is no column that history can be dated by"):
        HistorySchema({"id": Int64}, name)


@pytest.mark.parametrize("name", ["_offset", "_date"])
def test_a_column_with_a_name_of_ours_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match=f"a column `{name}` cannot be kept"):
        HistorySchema({name: Int64})


@pytest.mark.parametrize("type", [Null, List(Null), Struct({}), Map(String, Struct({"x": Null}))])
def test_a_type_that_parquet_has_not_is_refused(type: DataType) -> None:
    with pytest.raises(SchemaError, match="column `x` cannot be kept: no Parquet column has the type"):
        HistorySchema({"x": type})


def test_a_struct_may_gain_members_at_any_depth_and_loses_none() -> None:
    old = List(Struct({"a": Int64, "gone": String}))
    new = List(Struct({"a": Int64, "b": Map(String, Struct({"c": Int32}))}))
    both = List(Struct({"a": Int64, "gone": String, "b": Map(String, Struct({"c": Int32}))}))
    assert widened("x", old, new) == both
    assert widened("x", both, new) == both


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        (Int32, Int64),
        (Int32, Float64),
        (Float32, Float64),
        (Decimal(10, 2), Decimal(12, 2)),
        (List(Struct({"a": Int32})), List(Struct({"a": Int64}))),
    ],
)
def test_a_number_may_be_promoted_where_no_value_changes(stored: DataType, wanted: DataType) -> None:
    assert widened("x", stored, wanted) == wanted
    assert not gained(stored, wanted)
    assert gained(wanted, wanted)


@pytest.mark.parametrize(
    ("stored", "wanted", "name"),
    [
        (Int64, Int32, "x"),
        (Int64, Float64, "x"),
        (Int32, Float32, "x"),
        (Int32, String, "x"),
        (Decimal(12, 2), Decimal(10, 2), "x"),
        (Decimal(10, 2), Decimal(12, 3), "x"),
        (List(Int64), Int64, "x"),
        (Struct({"a": Struct({"b": Int64})}), Struct({"a": Struct({"b": Float64})}), "x.a.b"),
    ],
)
def test_a_column_that_changes_its_type_is_refused_by_name(
    stored: DataType, wanted: DataType, name: str
) -> None:
    with pytest.raises(
        SchemaError, match=f"column `{name}` changed its type; expected .*, as the history table has it"
    ):
        widened("x", stored, wanted)
