"""Writer's and reader's schema: Avro's rules of resolution, against fastavro where it has an opinion."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import fastavro
import numpy as np
import pytest

from headrace.avro import ColumnarDecoder, Columns, SchemaMismatchError, parse_schema

ENUM = {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN", "BLUE"]}


def record(**fields: Any) -> dict[str, Any]:
    """Fields by name: a type, or (type, default)."""
    made = [
        {"name": n, "type": t[0], "default": t[1]} if isinstance(t, tuple) else {"name": n, "type": t}
        for n, t in fields.items()
    ]
    return {"type": "record", "name": "Event", "fields": made}


def resolved(writer: dict[str, Any], reader: dict[str, Any], records: list[Any]) -> Columns:
    parsed = fastavro.parse_schema(writer)
    datums = []
    for r in records:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, r)
        datums.append(out.getvalue())
    end = np.cumsum(np.array([len(d) for d in datums], np.int64))
    start = np.concatenate([np.zeros(1, np.int64), end[:-1]])
    decoder = ColumnarDecoder(parse_schema(writer).root, parse_schema(reader).root)
    return decoder.decode(memoryview(b"".join(datums) + b"\0"), start, end)


@pytest.mark.parametrize(
    ("written", "read", "value"),
    [
        ("int", "long", -5),
        ("int", "float", 5),
        ("int", "double", 5),
        ("long", "float", 2**40),
        ("long", "double", 2**53),
        ("float", "double", 1.5),
        ("string", "bytes", "grün"),
        ("bytes", "string", "grün".encode()),
        ("int", ["null", "long"], 5),
        (["null", "int"], ["null", "long"], None),
        (["null", "int"], ["null", "double"], 5),
        (["null", "int"], ["double", "null"], 5),
        (["null", "int"], "long", 5),
        (["int", "string"], "string", "x"),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "double"}, [1, 2]),
        ({"type": "array", "items": "int"}, {"type": "array", "items": ["null", "long"]}, [1, 2]),
        (ENUM, ENUM | {"symbols": ["BLUE", "RED"]}, "BLUE"),
        (ENUM, ENUM | {"symbols": ["RED", "OTHER"], "default": "OTHER"}, "GREEN"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 2}, b"ab"),
        (
            {"type": "fixed", "name": "F", "size": 2},
            ["null", {"type": "fixed", "name": "F", "size": 2}],
            b"ab",
        ),
    ],
)
def test_a_value_is_promoted_as_fastavro_promotes_it(written: Any, read: Any, value: Any) -> None:
    writer, reader = record(a=written, z="int"), record(a=read, z="int")
    found = resolved(writer, reader, [{"a": value, "z": 7}])
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(writer), {"a": value, "z": 7})
    truth = fastavro.schemaless_reader(
        io.BytesIO(out.getvalue()), fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    )
    assert found.bad == []
    assert found.frame.to_dicts() == [truth]


def test_a_map_and_a_nested_record_are_resolved_inside() -> None:
    inner = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "b", "type": "int"}, {"name": "gone", "type": "string"}],
    }
    newer = {
        "type": "record",
        "name": "Renamed",
        "fields": [
            {"name": "new", "type": "string", "default": "d"},
            {"name": "b", "type": ["null", "long"]},
        ],
    }
    writer = record(r=["null", inner], m={"type": "map", "values": "int"})
    reader = record(m={"type": "map", "values": "double"}, r=["null", newer])
    found = resolved(writer, reader, [{"r": {"b": 1, "gone": "x"}, "m": {"k": 2}}, {"r": None, "m": {}}])
    assert found.frame.to_dicts() == [
        {"m": [{"key": "k", "value": 2.0}], "r": {"new": "d", "b": 1}},
        {"m": [], "r": None},
    ]


def test_fields_are_matched_by_name_and_alias_and_a_removed_one_is_left_out() -> None:
    writer = record(old="int", gone={"type": "array", "items": "string"}, b="string")
    reader = {
        "type": "record",
        "name": "Event",
        "fields": [
            {"name": "b", "type": "string"},
            {"name": "new", "aliases": ["older", "old"], "type": "long"},
        ],
    }
    found = resolved(writer, reader, [{"old": 1, "gone": ["x"], "b": "y"}, {"old": 2, "gone": [], "b": "z"}])
    assert found.frame.to_dicts() == [{"b": "y", "new": 1}, {"b": "z", "new": 2}]


@pytest.mark.parametrize(
    ("avro", "default", "value"),
    [
        ("int", 5, 5),
        ("boolean", True, True),
        ("double", 1, 1.0),
        ("float", 0.5, 0.5),
        ("string", "x", "x"),
        ("bytes", "\u00ff", b"\xff"),
        ("null", None, None),
        (["null", "int"], None, None),
        (["int", "null"], 3, 3),
        (ENUM, "GREEN", "GREEN"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "int"}, {"k": 1}, [{"key": "k", "value": 1}]),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            1_000,
            datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        ),
        (
            {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int", "default": 4}]},
            {},
            {"x": 4},
        ),
    ],
)
def test_a_field_that_the_writer_lacks_has_its_default(avro: Any, default: Any, value: Any) -> None:
    found = resolved(record(a="int"), record(a="int", b=(avro, default)), [{"a": 1}, {"a": 2}])
    assert found.frame.to_dicts() == [{"a": 1, "b": value}, {"a": 2, "b": value}]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("string", "int"),
        ("long", "int"),
        ("double", "float"),
        ("int", "string"),
        ("int", {"type": "array", "items": "int"}),
        ({"type": "array", "items": "string"}, {"type": "array", "items": "int"}),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 3}),
        ({"type": "fixed", "name": "F", "size": 2}, "bytes"),
        (["null", "string"], "int"),
        (["string", "bytes"], "int"),
        ("string", ["null", "int"]),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3},
        ),
    ],
)
def test_types_that_cannot_be_resolved_are_a_mismatch(written: Any, read: Any) -> None:
    with pytest.raises(SchemaMismatchError, match=r"field `a(\[\])?`: written as .* cannot be read as"):
        resolved(record(a=written), record(a=read), [])


def test_a_field_without_a_default_that_the_writer_lacks_is_a_mismatch() -> None:
    with pytest.raises(SchemaMismatchError, match="field `b`: the writer has no such field"):
        resolved(record(a="int"), record(a="int", b="int"), [])


def test_what_only_some_values_cannot_be_is_a_fault_of_those_records() -> None:
    writer = record(a=["null", "int"], b=ENUM, c=["int", "string"])
    reader = record(a="int", b=ENUM | {"symbols": ["RED", "GREEN"]}, c="long")
    good = {"a": 1, "b": "RED", "c": 5}
    found = resolved(
        writer, reader, [good, {**good, "a": None}, {**good, "b": "BLUE"}, {**good, "c": "x"}, good]
    )
    assert found.frame.to_dicts() == [good, good]
    assert found.good.tolist() == [0, 4]
    assert [(i, reason) for i, reason, _ in found.bad] == [(i, "schema_mismatch") for i in (1, 2, 3)]
    assert [detail.split("`")[1] for _, _, detail in found.bad] == ["a", "b", "c"]


def test_a_timestamp_keeps_its_instant_where_the_units_differ() -> None:
    millis, micros = ({"type": "long", "logicalType": f"timestamp-{u}"} for u in ("millis", "micros"))
    instant = datetime(2026, 11, 21, 12, tzinfo=UTC)
    found = resolved(record(a=millis), record(a=micros), [{"a": instant}])
    assert found.frame["a"].to_list() == [instant]
    number = int(instant.timestamp() * 1_000)
    assert resolved(record(a="long"), record(a=millis), [{"a": number}]).frame["a"].to_list() == [instant]


def test_a_union_of_several_is_a_struct_with_one_member_set() -> None:
    union = ["null", "int", "string", {"type": "array", "items": "int"}]
    found = resolved(record(a=union), record(a=union), [{"a": v} for v in (1, "x", None, [2, 3])])
    assert found.frame["a"].to_list() == [
        {"member0": 1, "member1": None, "member2": None},
        {"member0": None, "member1": "x", "member2": None},
        None,
        {"member0": None, "member1": None, "member2": [2, 3]},
    ]
