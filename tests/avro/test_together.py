"""Mixed datums of several writers: what each writer's decoder says of them, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.avro import ColumnarDecoder, Columns, encode, parse_schema
from headrace.avro import together as together_module
from headrace.avro.flat_kernel import FLAT_WALK
from headrace.avro.nodes import Record
from headrace.avro.together import Together
from tests.avro.random_schemas import flat_fields, same, values, written

ENUM = {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN", "BLUE"]}
PAIR = {
    "type": "record",
    "name": "Pair",
    "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "int"}],
}


@pytest.fixture(scope="module", autouse=True)
def _machine_code() -> None:
    FLAT_WALK.warm()
    if FLAT_WALK.worth(1) is None:
        pytest.skip("there is no compiled pass without numba")


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "Event", "fields": list(fields)}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def root(schema: Any) -> Record:
    return parse_schema(schema).root


def laid_out(datums: list[bytes]) -> tuple[memoryview, Any, Any]:
    end = np.cumsum(np.array([len(d) for d in datums], np.int64))
    return memoryview(b"".join(datums) + b"\0"), np.concatenate([np.zeros(1, np.int64), end[:-1]]), end


def apart(
    writers: list[Record], reader: Record, datums: list[bytes], of: list[int]
) -> tuple[dict[int, Any], list[Any]]:
    """The good rows by their index, and the bad ones, each decoded by its own writer's decoder."""
    good: dict[int, Any] = {}
    bad: list[Any] = []
    for i, (datum, number) in enumerate(zip(datums, of, strict=True)):
        found = ColumnarDecoder(writers[number], reader).decode(*laid_out([datum]))
        for row in found.frame.to_dicts():
            good[i] = row
        bad += [(i, reason, detail) for _, reason, detail in found.bad]
    return good, bad


def mixed(writers: list[Record], reader: Record, datums: list[bytes], of: list[int]) -> Columns:
    decoder = Together(reader)
    numbers = [decoder.join(w) for w in writers]
    found = decoder.decode(*laid_out(datums), np.array([numbers[i] for i in of], np.uint8))
    assert found is not None
    return found


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[Any, list[Any], list[bytes], list[int]]:
    """A reader's schema, schemas of writers that go together for it, and their datums, some of them damaged."""
    fields = draw(flat_fields())
    writers = []
    for k in range(draw(st.integers(1, 3))):
        has = [f for f in fields if "default" not in f or draw(st.booleans())] or fields
        extra = [
            {**f, "name": f"x{k}{f['name']}"} for f in fields if f["type"] in ("int", "string", "double")
        ]
        writers.append(record(*draw(st.permutations(has + extra[: draw(st.integers(0, 2))]))))
    datums, of = [], []
    for _ in range(draw(st.integers(1, 6))):
        of.append(draw(st.integers(0, len(writers) - 1)))
        datum = bytearray(written(writers[of[-1]], draw(values(writers[of[-1]]))))
        match draw(st.sampled_from(["good", "good", "cut", "extend", "flip"])):
            case "cut":
                del datum[draw(st.integers(0, len(datum))) :]
            case "extend":
                datum += draw(st.binary(min_size=1, max_size=3))
            case "flip" if datum:
                datum[draw(st.integers(0, len(datum) - 1))] = draw(st.integers(0, 255))
        datums.append(bytes(datum))
    return record(*fields), writers, datums, of


@given(case=mixtures())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_mixed_datums_are_what_each_is_alone(case: tuple[Any, list[Any], list[bytes], list[int]]) -> None:
    schema, schemas, datums, of = case
    reader, writers = root(schema), [root(w) for w in schemas]
    found = mixed(writers, reader, datums, of)
    good, bad = apart(writers, reader, datums, of)
    assert found.good.tolist() == list(good)
    assert same(found.frame.to_dicts(), list(good.values()))
    assert found.bad == bad
    assert dict(found.frame.schema) == {k: t.polars for k, t in parse_schema(schema).columns.items()}


@pytest.mark.parametrize(
    ("kind", "default", "value"),
    [
        ("int", 7, -1),
        ("string", "a text beyond twelve bytes", "grün"),
        ("double", 1.5, 2.5),
        ("boolean", True, False),
        (ENUM, "BLUE", "RED"),
        (PAIR, {"a": "x", "b": 3}, {"a": "y", "b": 4}),
        (["null", "string"], None, "text"),
        ({"type": "int", "logicalType": "date"}, 5, 6),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "\x05", 3),
    ],
)
def test_a_field_that_one_writer_lacks_is_its_default(kind: Any, default: Any, value: Any) -> None:
    old, new = record(field("id", "int")), record(field("id", "int"), field("f", kind))
    reader = root(record(field("f", kind, default=default), field("id", "int")))
    datums = [encode(parse_schema(old), {"id": 1}), encode(parse_schema(new), {"id": 2, "f": value})] * 2
    writers, of = [root(old), root(new)], [0, 1, 0, 1]
    found = mixed(writers, reader, datums, of)
    good, _ = apart(writers, reader, datums, of)
    assert found.bad == []
    assert found.frame.to_dicts() == list(good.values())
    assert found.frame["id"].to_list() == [1, 2, 1, 2]


def test_a_field_may_have_another_name_with_each_writer() -> None:
    one, two = record(field("a", "int"), field("gone", "string")), record(field("b", "int"))
    reader = root(record(field("a", "int", aliases=["b"]), field("b", "long", default=9)))
    datums = [encode(parse_schema(one), {"a": 1, "gone": "x"}), encode(parse_schema(two), {"b": 2})]
    decoder = Together(reader)
    assert [decoder.join(root(w)) for w in (one, two)] == [0, None]  # the other's one field is read as two
    narrow = replace(reader, fields=reader.fields[:1])
    found = mixed([root(one), root(two)], narrow, datums, [0, 1])
    assert found.frame.to_dicts() == [{"a": 1}, {"a": 2}]


def test_a_fault_names_the_field_as_its_writer_does() -> None:
    one, two = record(field("a", "string"), field("n", "int")), record(field("b", "string"))
    reader = root(record(field("a", "string", aliases=["b"])))
    found = mixed([root(one), root(two)], reader, [b"\x01", b"\x01", b"\x02x\x80", b"\x02x\0"], [0, 1, 0, 1])
    assert [detail for _, _, detail in found.bad] == [
        "field `a`: a length below zero",
        "field `b`: a length below zero",
        "field `n`: the datum ends too early",
        "bytes are left over behind the last field",
    ]


@pytest.mark.parametrize(
    "other",
    [
        record(field("a", "int"), field("s", "string")),  # another type
        record(field("a", "long")),  # a default, where the others' type is not the reader's
        record(field("a", "long"), field("s", "bytes"), field("xs", {"type": "array", "items": "int"})),
        record(field("a", "long"), field("s", "bytes"), field("u", ["int", "string"])),
    ],
)
def test_writers_that_do_not_go_together_are_refused(other: Any) -> None:
    reader = root(record(field("a", "long"), field("s", "string", default="")))
    decoder = Together(reader)
    assert decoder.join(root(record(field("a", "long"), field("s", "bytes")))) == 0
    for _ in range(2):
        assert decoder.join(root(other)) is None
    third = record(field("s", "bytes"), field("a", "long"))
    assert decoder.join(root(third)) == 1
    assert decoder.join(root(third)) == 1


def test_no_more_writers_join_than_a_byte_can_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together_module, "MOST_WRITERS", 2)
    decoder = Together(root(record(field("a", "int"))))
    writers = [root(record(field("a", "int"), field(f"x{i}", "int"))) for i in range(3)]
    assert [decoder.join(w) for w in writers] == [0, 1, None]
