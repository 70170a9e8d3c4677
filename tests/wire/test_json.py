"""JSON topics: what each type accepts, and that the quick way never says anything but what the exact way says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.avro import parse_schema
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)
from headrace.types import Decimal as DecimalType
from headrace.wire import Decoded, Record, SourceDecoder, record_batches
from headrace.wire.json_columns import JsonDecoder
from tests.avro.random_schemas import same

COLUMNS: dict[str, DataType] = {
    "s": String,
    "i": Int32,
    "n": Int64,
    "f": Float64,
    "b": Bool,
    "t": Timestamp,
    "d": Date,
    "l": List(Int64),
    "r": Struct({"x": Int32, "y": List(Struct({"z": String}))}),
}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def decode(schema: Any, *values: bytes | str) -> Decoded:
    records = [Record(v if isinstance(v, bytes) else v.encode(), timestamp=i) for i, v in enumerate(values)]
    return SourceDecoder(schema, format="json").decode([record_batches(records)])


def only(type_: DataType, text: str) -> Any:
    decoded = decode({"v": type_}, f'{{"v": {text}}}')
    assert decoded.dead == []
    return decoded.frame["v"].to_list()[0]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (String, '"gr\\u00fcn"', "grün"),
        (String, "null", None),
        (Int32, "-5", -5),
        (Int64, "9223372036854775807", 2**63 - 1),
        (Float64, "1", 1.0),
        (Float64, "1e3", 1000.0),
        (Float64, '"Infinity"', float("inf")),
        (Bool, "true", True),
        (Timestamp, '"2026-11-21T12:00:00Z"', NOON),
        (Timestamp, '"2026-11-21T12:00:00.123456Z"', NOON.replace(microsecond=123456)),
        (Timestamp, '"2026-11-21T14:00:00+02:00"', NOON),
        (Timestamp, '"2026-11-21 12:00:00"', NOON),
        (Timestamp, "1795262400000000", NOON),
        (Date, '"2026-11-21"', date(2026, 11, 21)),
        (Date, "1", date(1970, 1, 2)),
        (Bytes, '"AP8="', b"\x00\xff"),
        (DecimalType(6, 2), '"12.30"', Decimal("12.30")),
        (DecimalType(6, 2), "12.3", Decimal("12.30")),
        (List(Int64), "[1, null]", [1, None]),
        (Map(String, Int64), '{"a": 1}', [{"key": "a", "value": 1}]),
        (Struct({"x": Int32}), '{"x": 1, "more": 2}', {"x": 1}),
    ],
)
def test_each_type_accepts_its_json(type_: DataType, text: str, value: Any) -> None:
    assert only(type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (String, "5"),
        (Int32, "2147483648"),
        (Int32, "1.0"),
        (Int32, '"5"'),
        (Int64, "9223372036854775808"),
        (Float64, "NaN"),
        (Float64, '"1"'),
        (Float64, "1e400"),
        (Bool, "1"),
        (Timestamp, '"noon"'),
        (Timestamp, '"2026-02-30T00:00:00Z"'),
        (Timestamp, "9000000000000000000"),
        (Timestamp, "1.5"),
        (Date, '"21.11.2026"'),
        (Bytes, '"?"'),
        (DecimalType(4, 2), '"123.45"'),
        (List(Int64), "5"),
        (List(Int64), '["x"]'),
        (Struct({"x": Int32}), "[1]"),
    ],
)
def test_a_wrong_type_is_a_dead_letter_whoever_its_neighbours_are(type_: DataType, text: str) -> None:
    good, bad = '{"v": null}', f'{{"v": {text}}}'
    for values in ([bad], [good, bad, good]):
        decoded = decode({"v": type_}, *values)
        assert [(d.reason, d.value) for d in decoded.dead] == [("decode", bad.encode())]
        assert decoded.frame["v"].to_list() == [None] * (len(values) - 1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"5", "a JSON int"),
        (b"[{}]", "expected a JSON object; got a JSON list"),
        (b'{"s": "a"}{"s": "b"}', "not JSON"),
        (b'{"s": "\xff"}', "not JSON"),
        (b'{"s": "\\ud800"}', "not JSON"),
        (b"   ", "not JSON"),
        (b'{"l": [{}', "not JSON"),
    ],
)
def test_what_is_no_object_costs_itself_alone(value: bytes, words: str) -> None:
    decoded = decode(COLUMNS, '{"s": "a"}', value, '{"s": "b"}')
    assert decoded.frame["s"].to_list() == ["a", "b"]
    assert decoded.frame["_offset"].to_list() == [0, 2]
    assert [(d.offset, d.reason) for d in decoded.dead] == [(1, "decode")]
    assert words in decoded.dead[0].detail


def test_a_value_may_have_white_space_and_newlines() -> None:
    decoded = decode(COLUMNS, '{"s": "a"}\n', ' {\n "s" :\t"b"\r\n}')
    assert decoded.frame["s"].to_list() == ["a", "b"]


def test_two_objects_in_one_value_cannot_hide_behind_an_empty_one() -> None:
    decoded = decode(COLUMNS, '{"s": "a"}{"s": "b"}', "", '{"s": "c"}')
    assert decoded.frame["s"].to_list() == ["c"]
    assert [d.offset for d in decoded.dead] == [0, 1]


def test_a_missing_field_is_null_or_its_default_or_a_dead_letter() -> None:
    schema = parse_schema(
        {
            "type": "record",
            "name": "E",
            "fields": [
                {"name": "must", "type": "int"},
                {"name": "may", "type": ["null", "string"]},
                {"name": "has", "type": "int", "default": 7},
                {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
            ],
        }
    )
    decoded = decode(
        schema, '{"must": 1}', '{"may": "x"}', '{"must": 2, "has": 3, "at": 1000}', '{"must": 3, "has": null}'
    )
    assert decoded.frame.select("must", "may", "has", "at").rows() == [
        (1, None, 7, None),
        (2, None, 3, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ]
    assert [(d.offset, d.detail.split(":")[0]) for d in decoded.dead] == [
        (1, "field `must`"),
        (3, "field `has`"),
    ]


def test_times_as_text_and_as_numbers_may_be_mixed() -> None:
    decoded = decode({"t": Timestamp}, '{"t": "1970-01-01T00:00:01Z"}', '{"t": 2000000}', '{"t": null}')
    assert decoded.frame["t"].dt.epoch("s").to_list() == [1, 2, None]


_TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda t: t.isoformat() + "Z")
_GOOD: dict[str, st.SearchStrategy[Any]] = {
    "s": st.text(max_size=8),
    "i": st.integers(-(2**31), 2**31 - 1),
    "n": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60),
    "b": st.booleans(),
    "t": _TIMES,
    "d": st.dates().map(str),
    "l": st.lists(st.none() | st.integers(-5, 5), max_size=3),
    "r": st.fixed_dictionaries(
        {},
        optional={
            "x": st.integers(0, 9),
            "y": st.lists(st.fixed_dictionaries({}, optional={"z": st.text(max_size=2)}), max_size=2),
        },
    ),
    "unknown": st.integers(),
}
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4) | _TIMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyzs"), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def _values(draw: st.DrawFn) -> bytes:
    chosen = draw(st.lists(st.sampled_from(sorted(_GOOD)), unique=True))
    value = {k: draw(st.one_of(st.none(), _GOOD[k])) for k in chosen}
    if draw(st.integers(0, 5)) == 0 and chosen:
        value[chosen[0]] = draw(_ANY)
    text = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from([b"", b" ", b"{", b"}", b'"', b"\n", b"\xff", b","]))
            + text[at + 1 :]
        )
    return text


@given(st.lists(_values(), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_record_reads_the_same_alone_by_the_exact_way_and_among_others(values: list[bytes]) -> None:
    decoded = decode(COLUMNS, *values)
    together = dict(
        zip(decoded.frame["_offset"], decoded.frame.select(list(COLUMNS)).to_dicts(), strict=True)
    )
    dead = {d.offset for d in decoded.dead}
    exact = JsonDecoder(COLUMNS)
    exact.quick = False
    for i, value in enumerate(values):
        body, start, end = _laid_out(value)
        alone = exact.decode(body, start, end)
        assert (i in dead) == bool(alone.bad)
        assert same([together[i]] if i in together else [], alone.frame.to_dicts())


def _laid_out(value: bytes) -> tuple[memoryview, Any, Any]:
    return memoryview(value + b"\0"), np.zeros(1, np.int64), np.array([len(value)], np.int64)


def test_many_values_with_a_few_bad_ones_keep_their_places() -> None:
    values = [b'{"s": "%d", "i": %d}' % (i, i) for i in range(500)]
    bad = {7: b"", 8: b'{"i": "x"}', 99: b'{"r": {"x": "deep"}}', 300: b"{}{}", 499: b'{"s":'}
    for i, value in bad.items():
        values[i] = value
    decoded = decode(COLUMNS, *values)
    assert [d.offset for d in decoded.dead] == sorted(bad)
    assert decoded.frame["i"].to_list() == [i for i in range(500) if i not in bad]
    assert (decoded.frame["s"] == decoded.frame["_offset"].cast(str)).all()
