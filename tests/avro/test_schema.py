"""Schemas: which column each type gives, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headrace.avro import parse_schema
from headrace.errors import SchemaError


def record(*types: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Event",
        "fields": [{"name": f"f{i}", "type": t} for i, t in enumerate(types)],
    }


@pytest.mark.parametrize(
    ("avro", "column"),
    [
        ("null", "String"),
        ("boolean", "Bool"),
        ("int", "Int32"),
        ("long", "Int64"),
        ("float", "Float32"),
        ("double", "Float64"),
        ("string", "String"),
        ("bytes", "Bytes"),
        ({"type": "fixed", "name": "F", "size": 3}, "Bytes"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "String"),
        ({"type": "array", "items": ["null", "int"]}, "List(Int32)"),
        ({"type": "map", "values": "long"}, "Map(String,Int64)"),
        (record("int", "string") | {"name": "R"}, "Struct(f0: Int32, f1: String)"),
        ({"type": "int", "logicalType": "date"}, "Date"),
        ({"type": "int", "logicalType": "time-millis"}, "Int32"),
        ({"type": "long", "logicalType": "time-micros"}, "Int64"),
        ({"type": "long", "logicalType": "timestamp-millis"}, "Timestamp"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "Timestamp"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, "Timestamp"),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, "Timestamp"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "Decimal(9,2)"),
        (
            {"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal", "precision": 18},
            "Decimal(18,0)",
        ),
        ({"type": "string", "logicalType": "uuid"}, "String"),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, "String"),
        ({"type": "fixed", "name": "P", "size": 12, "logicalType": "duration"}, "Bytes"),
        ({"type": "string", "logicalType": "never-heard-of"}, "String"),
        ({"type": "string", "logicalType": "timestamp-millis"}, "String"),
        (["string"], "String"),
        (["int", "string"], "Struct(member0: Int32, member1: String)"),
        (["null", "int", "string"], "Struct(member0: Int32, member1: String)"),
        (["null", "long", "int"], "Int64"),
        (["float", "double"], "Float64"),
    ],
)
def test_every_type_has_its_column(avro: Any, column: str) -> None:
    assert str(parse_schema(record(avro)).columns["f0"]) == column


def test_a_union_with_null_in_either_place_is_nullable_and_nothing_else_is() -> None:
    schema = parse_schema(record("int", ["null", "int"], ["int", "null"], ["int", "string"], "null"))
    assert schema.nullable == {"f1", "f2", "f4"}
    assert list(schema.columns) == ["f0", "f1", "f2", "f3", "f4"]


def test_a_schema_may_be_text_or_what_the_text_says() -> None:
    raw = record("int")
    assert parse_schema(json.dumps(raw)) == parse_schema(raw)
    assert parse_schema(raw).raw == raw


def test_the_fingerprint_is_that_of_the_canonical_form() -> None:
    plain = parse_schema(record("int"))
    documented = parse_schema(record("int") | {"doc": "words"})
    assert plain.canonical == '{"name":"Event","type":"record","fields":[{"name":"f0","type":"int"}]}'
    assert plain.fingerprint == documented.fingerprint
    assert plain.fingerprint != parse_schema(record("long")).fingerprint


def test_a_record_without_a_name_takes_the_hint() -> None:
    raw = {"type": "record", "fields": [{"name": "a", "type": "int"}]}
    assert parse_schema(raw, name_hint="payments").name == "payments"
    with pytest.raises(SchemaError, match="name"):
        parse_schema(raw)


def test_a_named_type_may_be_used_again() -> None:
    color = {"type": "enum", "name": "Color", "namespace": "shop", "symbols": ["RED"]}
    assert str(parse_schema(record(color, "shop.Color")).columns["f1"]) == "String"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{", "the schema is not JSON"),
        ('"string"', "an event's schema is a record"),
        ({"type": "array", "items": "int"}, "an event's schema is a record"),
        (record(), "no fields"),
        (record("strin"), "the type `strin` is unknown"),
        (record({"type": "array"}), "`items` is missing"),
        (record({"type": "array", "items": "Event"}), r"f0\[\]: the type `Event` contains itself"),
        (record(["null", "Event"]), "f0: the type `Event` contains itself"),
        (record([]), "f0: a union of nothing"),
        (record(["int", ["null", "string"]]), "f0: a union directly inside a union"),
        (record(["int", "int"]), "f0: a union with one type twice"),
        (record({"type": "record", "name": "R", "fields": []}), "f0: the record `R` has no fields"),
        (record({"type": "bytes", "logicalType": "decimal", "precision": 50}), "f0: a decimal of 50 digits"),
        ({"type": "record", "name": "E", "fields": [{"name": "a b", "type": "int"}]}, "`a b` is not a name"),
        ({"type": "record", "name": "E", "fields": [{"name": "a", "type": "int"}] * 2}, "`a` is there twice"),
        ({"type": "record", "name": "E", "fields": [{"name": "a"}]}, "missing 'type'"),
        (
            {"type": "record", "name": "E", "fields": [{"name": "a", "type": "int", "default": "x"}]},
            "Default value",
        ),
    ],
)
def test_what_does_not_parse_says_where_and_why(schema: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        parse_schema(schema)
