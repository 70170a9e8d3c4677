"""Random Avro schemas, values that fit them, and what columns must say of those: from fastavro alone."""

from __future__ import annotations

import io
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
from hypothesis import strategies as st

Json = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"]
_LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10},
    {"type": "string", "logicalType": "uuid"},
]


@st.composite
def schemas(draw: st.DrawFn) -> Json:
    """A record of one to five fields, up to three levels deep."""
    names = iter(range(1_000))
    fields = [{"name": f"f{i}", "type": draw(_types(names, depth=2))} for i in range(draw(st.integers(1, 5)))]
    return {"type": "record", "name": "Event", "fields": fields}


@st.composite
def _types(draw: st.DrawFn, names: Any, depth: int, in_union: bool = False) -> Json:
    kinds = ["plain"] * 3 + ["logical", "fixed", "enum"]
    if depth:
        kinds += ["array", "map", "record"] + ([] if in_union else ["optional", "optional", "union"])
    match draw(st.sampled_from(kinds)):
        case "plain":
            return draw(st.sampled_from([p for p in _PLAIN if not (in_union and p == "null")]))
        case "logical":
            return dict(draw(st.sampled_from(_LOGICAL)))
        case "fixed":
            size, extra = draw(
                st.sampled_from(
                    [
                        (1, {}),
                        (7, {}),
                        (12, {"logicalType": "duration"}),
                        (16, {"logicalType": "uuid"}),
                        (8, {"logicalType": "decimal", "precision": 18, "scale": 4}),
                    ]
                )
            )
            return {"type": "fixed", "name": f"F{next(names)}", "size": size, **extra}
        case "enum":
            return {
                "type": "enum",
                "name": f"E{next(names)}",
                "symbols": ["RED", "GREEN", "BLUE"][: draw(st.integers(1, 3))],
            }
        case "array":
            return {"type": "array", "items": draw(_types(names, depth - 1))}
        case "map":
            return {"type": "map", "values": draw(_types(names, depth - 1))}
        case "record":
            n = draw(st.integers(1, 3))
            fields = [{"name": f"m{i}", "type": draw(_types(names, depth - 1))} for i in range(n)]
            return {"type": "record", "name": f"R{next(names)}", "fields": fields}
        case "optional":
            pair = ["null", draw(_types(names, depth - 1, in_union=True))]
            return pair if draw(st.booleans()) else pair[::-1]
    branches = draw(
        st.lists(_types(names, depth - 1, in_union=True), min_size=1, max_size=3, unique_by=branch_name)
    )
    return (["null"] if draw(st.booleans()) else []) + branches


@st.composite
def flat_fields(draw: st.DrawFn) -> list[Json]:
    """One to five fields without arrays, maps and unions of several; an optional one has the default null."""
    names = iter(range(1_000))
    fields = []
    for i in range(draw(st.integers(1, 5))):
        field: dict[str, Json] = {"name": f"f{i}", "type": draw(_types(names, depth=0))}
        match draw(st.sampled_from(["bare", "optional", "record"])):
            case "optional" if field["type"] != "null":
                field |= {"type": draw(st.permutations(["null", field["type"]])), "default": None}
            case "record":
                member = {"name": "m", "type": field["type"]}
                field["type"] = {"type": "record", "name": f"R{next(names)}", "fields": [member]}
        fields.append(field)
    return fields


def branch_name(schema: Json) -> str:
    if isinstance(schema, str):
        return schema
    return str(schema.get("name", schema["type"]))


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Values for fastavro's writer with logical types left out; a union's is (branch index, value)."""
    if isinstance(schema, list):
        return st.one_of([st.tuples(st.just(i), values(b)) for i, b in enumerate(schema)])
    kind = schema if isinstance(schema, str) else schema["type"]
    logical = None if isinstance(schema, str) else schema.get("logicalType")
    if logical == "decimal":
        bound = 10 ** schema["precision"] - 1
        return st.integers(-bound, bound).map(lambda n: _two_complement(n, schema.get("size")))
    if logical and "timestamp" in logical:
        unit = {"millis": 10**3, "micros": 10**6, "nanos": 10**9}[logical.rpartition("-")[2]]
        return st.integers(-(2**31) * unit, 2**33 * unit)
    if logical == "date":
        return st.integers(-100_000, 100_000)
    if logical == "uuid":
        return st.binary(min_size=16, max_size=16) if kind == "fixed" else st.uuids().map(str)
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "int":
            return st.integers(-(2**31), 2**31 - 1)
        case "long":
            return st.integers(-(2**63), 2**63 - 1)
        case "float":
            return st.floats(width=32)
        case "double":
            return st.floats()
        case "string":
            return st.text(max_size=20)
        case "bytes":
            return st.binary(max_size=20)
        case "fixed":
            return st.binary(min_size=schema["size"], max_size=schema["size"])
        case "enum":
            return st.sampled_from(schema["symbols"])
        case "array":
            return st.lists(values(schema["items"]), max_size=4)
        case "map":
            return st.dictionaries(st.text(max_size=3), values(schema["values"]), max_size=3)
    return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in schema["fields"]})


def written(schema: Json, value: Any) -> bytes:
    """The datum, by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(stripped(schema)), _tagged(schema, value))
    return out.getvalue()


def is_read(schema: Json, datum: bytes) -> bool:
    """Whether fastavro reads the datum, all of it, as a value that the schema's ints can hold."""
    stream = io.BytesIO(datum)
    try:
        value = fastavro.schemaless_reader(stream, fastavro.parse_schema(stripped(schema)))
    except Exception:
        return False
    return stream.tell() == len(datum) and value is not None


def stripped(schema: Json) -> Json:
    """The schema without logical types."""
    if isinstance(schema, list):
        return [stripped(b) for b in schema]
    if isinstance(schema, str):
        return schema
    found = {k: v for k, v in schema.items() if k not in ("logicalType", "precision", "scale")}
    for key in ("items", "values"):
        if key in found:
            found[key] = stripped(found[key])
    if "fields" in found:
        found["fields"] = [{**f, "type": stripped(f["type"])} for f in found["fields"]]
    return found


def _tagged(schema: Json, value: Any) -> Any:
    """fastavro's way to say which branch a value is of: a pair with the branch's name."""
    if isinstance(schema, list):
        index, inner = value
        return (branch_name(schema[index]), _tagged(schema[index], inner)) if inner is not None else None
    kind = schema if isinstance(schema, str) else schema["type"]
    match kind:
        case "array":
            return [_tagged(schema["items"], v) for v in value]
        case "map":
            return {k: _tagged(schema["values"], v) for k, v in value.items()}
        case "record":
            return {f["name"]: _tagged(f["type"], value[f["name"]]) for f in schema["fields"]}
    return value


def expected(schema: Json, value: Any) -> Any:
    """What the column's `to_list` must say of a value."""
    if isinstance(schema, list):
        return _expected_union(schema, *value)
    kind = schema if isinstance(schema, str) else schema["type"]
    logical = None if isinstance(schema, str) else schema.get("logicalType")
    if logical == "decimal":
        n = int.from_bytes(value, "big", signed=True)
        return Decimal((n < 0, tuple(map(int, str(abs(n)))), -schema["scale"]))
    if logical and "timestamp" in logical:
        micros = {"millis": value * 1_000, "micros": value, "nanos": value // 1_000}[
            logical.rpartition("-")[2]
        ]
        return _EPOCH + timedelta(microseconds=micros)
    if logical == "date":
        return date(1970, 1, 1) + timedelta(days=value)
    if logical == "uuid" and kind == "fixed":
        h = value.hex()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
    match kind:
        case "array":
            return [expected(schema["items"], v) for v in value]
        case "map":
            return [{"key": k, "value": expected(schema["values"], v)} for k, v in value.items()]
        case "record":
            return {f["name"]: expected(f["type"], value[f["name"]]) for f in schema["fields"]}
    return value


def _expected_union(schema: list[Json], index: int, value: Any) -> Any:
    others = [i for i, b in enumerate(schema) if b != "null"]
    found = expected(schema[index], value)
    if index not in others or len(others) == 1:
        return found
    if {str(schema[i]) for i in others} in ({"int", "long"}, {"double", "float"}):
        return value
    return {f"member{k}": found if i == index else None for k, i in enumerate(others)}


def same(a: Any, b: Any) -> bool:
    """Equality in which NaN equals itself and -0.0 differs from 0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def _two_complement(n: int, size: int | None) -> bytes:
    return n.to_bytes(size or n.bit_length() // 8 + 1, "big", signed=True)
