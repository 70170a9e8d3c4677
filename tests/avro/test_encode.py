"""What a producer may pass for each type, and what an error says. fastavro reads what was written."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import polars as pl
import pytest

from headrace.avro import AvroSchema, InvalidValueError, encode, encode_framed, encode_many, parse_schema
from tests.avro.random_schemas import stripped

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, UTC)
NOON_MICROS = 1_795_262_400_123_456
TIMESTAMP = {"type": "long", "logicalType": "timestamp-millis"}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
UUID_TEXT = "0b9a1b2c-3d4e-4f50-8a6b-7c8d9e0f1a2b"


def schema_of(avro: Any, **field: Any) -> AvroSchema:
    return parse_schema({"type": "record", "name": "Event", "fields": [{"name": "f", "type": avro, **field}]})


def read_back(schema: AvroSchema, datum: bytes) -> Any:
    stream = io.BytesIO(datum)
    value = fastavro.schemaless_reader(stream, fastavro.parse_schema(stripped(dict(schema.raw))))
    assert stream.read() == b""
    return value


@pytest.mark.parametrize(
    ("avro", "given", "stored"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -(2**31), -(2**31)),
        ("long", 2**63 - 1, 2**63 - 1),
        ("double", 3, 3.0),
        ("double", "Infinity", float("inf")),
        ("string", "grün", "grün"),
        ("bytes", b"\x00\xff", b"\x00\xff"),
        ("bytes", "AP8=", b"\x00\xff"),
        ({"type": "fixed", "name": "F", "size": 2}, "AP8=", b"\x00\xff"),
        ({"type": "enum", "name": "E", "symbols": ["RED", "BLUE"]}, "BLUE", "BLUE"),
        ({"type": "array", "items": "int"}, (1, 2), [1, 2]),
        ({"type": "array", "items": "int"}, [], []),
        ({"type": "map", "values": "int"}, {"a": 1}, {"a": 1}),
        ({"type": "map", "values": "int"}, [{"key": "a", "value": 1}], {"a": 1}),
        ({"type": "int", "logicalType": "date"}, date(1970, 1, 3), 2),
        ({"type": "int", "logicalType": "date"}, "1970-01-03", 2),
        ({"type": "int", "logicalType": "date"}, 2, 2),
        ({"type": "int", "logicalType": "time-millis"}, time(0, 0, 1, 5000), 1005),
        ({"type": "long", "logicalType": "time-micros"}, "00:00:01.000005", 1_000_005),
        (TIMESTAMP, NOON, NOON_MICROS // 1_000),
        (TIMESTAMP, NOON.astimezone(timezone(timedelta(hours=2))), NOON_MICROS // 1_000),
        (TIMESTAMP, NOON.replace(tzinfo=None), NOON_MICROS // 1_000),
        (TIMESTAMP, "2026-11-21T12:00:00.123456Z", NOON_MICROS // 1_000),
        (TIMESTAMP, 5, 5),
        ({"type": "long", "logicalType": "timestamp-micros"}, NOON, NOON_MICROS),
        ({"type": "long", "logicalType": "timestamp-nanos"}, NOON, NOON_MICROS * 1_000),
        (PRICE, Decimal("-12.30"), (-1230).to_bytes(2, "big", signed=True)),
        (PRICE, "12.3", (1230).to_bytes(2, "big", signed=True)),
        (PRICE, 12.3, (1230).to_bytes(2, "big", signed=True)),
        (PRICE, 0, b"\x00"),
        (PRICE, Decimal("1E+2"), (10_000).to_bytes(2, "big", signed=True)),
        ({"type": "string", "logicalType": "uuid"}, UUID(UUID_TEXT), UUID_TEXT),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, UUID_TEXT, UUID(UUID_TEXT).bytes),
        (["null", "int"], None, None),
        (["int", "null"], 5, 5),
        (["null", "int", "string"], "x", "x"),
        (["int", "string"], {"member0": None, "member1": "x"}, "x"),
    ],
)
def test_a_value_is_stored_as_its_type_says(avro: Any, given: Any, stored: Any) -> None:
    schema = schema_of(avro)
    assert read_back(schema, encode(schema, {"f": given})) == {"f": stored}


@pytest.mark.parametrize(
    ("avro", "given", "words"),
    [
        ("boolean", 1, r"field `f`: expected a boolean; got 1 \(int\)"),
        ("int", 2**31, "an integer of 32 bits"),
        ("int", True, "an integer of 32 bits"),
        ("int", 1.0, "an integer of 32 bits"),
        ("long", "5", "an integer of 64 bits"),
        ("float", 1e39, "a number that a float can hold"),
        ("double", "1", "a number"),
        ("string", 5, r"a text; got 5 \(int\)"),
        ("string", "\ud800", "lone surrogate"),
        ("bytes", "not base64!", "base64"),
        ({"type": "fixed", "name": "F", "size": 2}, b"abc", "2 bytes"),
        ({"type": "enum", "name": "E", "symbols": ["RED", "BLUE"]}, "REDD", "Did you mean `RED`"),
        ({"type": "array", "items": "int"}, [1, "x"], r"field `f\[1\]`"),
        ({"type": "map", "values": "int"}, {"a": None}, r"field `f\.a`"),
        ({"type": "int", "logicalType": "date"}, "yesterday", "date"),
        ({"type": "int", "logicalType": "date"}, NOON, "date"),
        (TIMESTAMP, "yesterday", "timestamp-millis"),
        (PRICE, Decimal("1.234"), "2 of them behind the point"),
        (PRICE, Decimal("12345.00"), "6 digits"),
        (PRICE, Decimal("NaN"), "6 digits"),
        (
            {"type": "fixed", "name": "D", "size": 1, "logicalType": "decimal", "precision": 2},
            150,
            "2 digits",
        ),
        ({"type": "string", "logicalType": "uuid"}, "5", "a UUID"),
        (["null", "int"], "x", "an integer"),
        (["int", "string"], 1.5, "union of int and string"),
        ("string", None, r"a text; got None"),
    ],
)
def test_what_does_not_fit_names_the_field(avro: Any, given: Any, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words) as caught:
        encode(schema_of(avro), {"f": given})
    assert caught.value.field.startswith("f")


def test_a_missing_field_takes_its_default_or_null() -> None:
    for schema, value in ((schema_of("int", default=7), 7), (schema_of(["null", "int"]), None)):
        assert read_back(schema, encode(schema, {})) == {"f": value}
    with pytest.raises(InvalidValueError, match=r"field `f`: expected a value.*got missing"):
        encode(schema_of("int"), {})


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    schema = parse_schema({"type": "record", "name": "E", "fields": [{"name": "amount", "type": "int"}]})
    with pytest.raises(InvalidValueError, match=r"field `amuont`.*Did you mean `amount`"):
        encode(schema, {"amount": 1, "amuont": 2})


def test_a_nested_error_says_the_whole_path() -> None:
    line = {"type": "record", "name": "Line", "fields": [{"name": "price", "type": "double"}]}
    with pytest.raises(InvalidValueError, match=r"field `f\[1\]\.price`"):
        encode(schema_of({"type": "array", "items": line}), {"f": [{"price": 1}, {"price": "x"}]})


def test_a_framed_datum_begins_with_zero_and_the_schema_id() -> None:
    schema = schema_of("int")
    assert encode_framed(258, schema, {"f": 1}) == b"\x00\x00\x00\x01\x02" + encode(schema, {"f": 1})


def test_a_frames_rows_are_encoded_in_order_without_foreign_columns() -> None:
    schema = schema_of("int")
    frame = pl.DataFrame({"f": [1, 2], "other": ["x", "y"]})
    assert encode_many(schema, frame) == [encode(schema, {"f": 1}), encode(schema, {"f": 2})]
    assert encode_many(schema, frame, schema_id=1)[0] == encode_framed(1, schema, {"f": 1})
