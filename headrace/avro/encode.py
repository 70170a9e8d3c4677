"""Records to Avro: Python values, or what JSON can say of them, checked against the schema and written as bytes.

Owns what a producer may pass for each type; an error names the field, what was expected and what came.

| Avro | accepted |
| --- | --- |
| boolean; string, enum | bool; str |
| int, long; float, double | int in range; int, float, or the text NaN, Infinity, -Infinity |
| bytes, fixed, duration | bytes, or base64 text |
| date; time-*; timestamp-* | date, time, datetime (UTC if without zone), ISO 8601 text, or an integer in its unit |
| decimal | Decimal, int, decimal text or float, exact at the type's scale |
| uuid | UUID or its text |
| array; map; record | list or tuple; a mapping, or a list of {key, value}; a mapping |
| union | None where it has null; the first branch that accepts the value; {"member1": value} names one |

A field that is missing takes its default, else null if it may be null. An unknown field is an error, unless the
writer is lenient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import polars as pl

from headrace.avro import varints
from headrace.avro.defaults import default_bytes
from headrace.avro.mapping import nullable
from headrace.avro.nodes import (
    MISSING,
    Array,
    Enum,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    is_null,
    spelled,
)
from headrace.avro.plain import InvalidValueError, plain_writer, refuse
from headrace.avro.schema import AvroSchema
from headrace.errors import did_you_mean

Write = Callable[[Any, str], bytes]
"""A value and the field it stands in -> its bytes. InvalidValueError."""


def encode(schema: AvroSchema, record: Mapping[str, Any]) -> bytes:
    """One record as a bare datum. InvalidValueError (a DecodeError) names the first field that does not fit."""
    return _writer(schema)(record, "")


def encode_framed(schema_id: int, schema: AvroSchema, record: Mapping[str, Any]) -> bytes:
    """One record behind the 5-byte header of a Schema Registry."""
    return b"\0" + schema_id.to_bytes(4, "big") + encode(schema, record)


def encode_many(schema: AvroSchema, frame: pl.DataFrame, *, schema_id: int | None = None) -> list[bytes]:
    """The rows of a frame, in order; columns that the schema lacks are left out. Framed if `schema_id` is given."""
    write = _writer(schema)
    head = b"" if schema_id is None else b"\0" + schema_id.to_bytes(4, "big")
    known = frame.select([c for c in frame.columns if c in schema.columns])
    return [head + write(row, "") for row in known.iter_rows(named=True)]


@lru_cache(maxsize=256)
def _writer(schema: AvroSchema) -> Write:
    return compile_writer(schema.root)


def compile_writer(node: Node, *, lenient: bool = False) -> Write:
    """How values of a node are written. `lenient`: unknown fields are left out, not refused."""
    match node:
        case Primitive() | Fixed():
            return plain_writer(node)
        case Enum():
            return _enum(node)
        case Array(items):
            return _array(compile_writer(items, lenient=lenient))
        case Map(values):
            return _map(compile_writer(values, lenient=lenient))
        case Record():
            return _record(node, lenient)
        case Union():
            return _optional(node, lenient) if node.optional is not None else _union(node, lenient)
    raise AssertionError(node)


def _record(node: Record, lenient: bool) -> Write:
    fields = [
        (f.name, compile_writer(f.node, lenient=lenient), _absent(f.node, f.default)) for f in node.fields
    ]
    known = {name for name, _, _ in fields}

    def write(value: Any, path: str) -> bytes:
        if not isinstance(value, Mapping):
            raise refuse(path, "a mapping of fields", value)
        out, used = [], 0
        for name, member, absent in fields:
            inner = f"{path}.{name}" if path else name
            found = value.get(name, MISSING)
            used += found is not MISSING
            if found is not MISSING:
                out.append(member(found, inner))
            elif absent is not None:
                out.append(absent)
            else:
                raise InvalidValueError(
                    inner, "missing", "a value: the field has no default and may not be null"
                )
        if used < len(value) and not lenient:
            name = next(str(k) for k in value if k not in known)
            hint = did_you_mean(name, known) or f"Known fields: {', '.join(sorted(known))}"
            raise InvalidValueError(
                f"{path}.{name}" if path else name, "unknown", f"a field of the schema. {hint}"
            )
        return b"".join(out)

    return write


def _absent(node: Node, default: Any) -> bytes | None:
    """What stands for a missing field: its default, else null; None if there is neither."""
    if default is not MISSING:
        return default_bytes(node, default)
    return default_bytes(node, None) if nullable(node) else None


def _enum(node: Enum) -> Write:
    index = {s: varints.encode(i) for i, s in enumerate(node.symbols)}

    def write(value: Any, path: str) -> bytes:
        found = index.get(value) if isinstance(value, str) else None
        if found is None:
            hint = did_you_mean(value, index) if isinstance(value, str) else None
            raise refuse(path, f"one of {', '.join(node.symbols)}" + (f". {hint}" if hint else ""), value)
        return found

    return write


def _blocks(items: list[bytes]) -> bytes:
    return varints.encode(len(items)) + b"".join(items) + b"\0" if items else b"\0"


def _array(item: Write) -> Write:
    def write(value: Any, path: str) -> bytes:
        if not isinstance(value, list | tuple):
            raise refuse(path, "a list", value)
        return _blocks([item(v, f"{path}[{i}]") for i, v in enumerate(value)])

    return write


def _map(member: Write) -> Write:
    key = plain_writer(Primitive("string"))

    def write(value: Any, path: str) -> bytes:
        if isinstance(value, list) and all(
            isinstance(e, Mapping) and set(e) == {"key", "value"} for e in value
        ):
            value = {e["key"]: e["value"] for e in value}
        if not isinstance(value, Mapping):
            raise refuse(path, "a mapping with texts as keys", value)
        return _blocks([key(k, path) + member(v, f"{path}.{k}") for k, v in value.items()])

    return write


def _optional(node: Union, lenient: bool) -> Write:
    index, inner = node.others[0]
    write_inner, some = compile_writer(inner, lenient=lenient), varints.encode(index)
    none = varints.encode(1 - index)

    def write(value: Any, path: str) -> bytes:
        return none if value is None else some + write_inner(value, path)

    return write


def _union(node: Union, lenient: bool) -> Write:
    branches = [(varints.encode(i), compile_writer(b, lenient=lenient)) for i, b in enumerate(node.branches)]
    named = {f"member{k}": branches[i] for k, (i, _) in enumerate(node.others)}
    ranked = sorted(zip(node.branches, branches, strict=True), key=lambda b: not is_null(b[0]))

    def write(value: Any, path: str) -> bytes:
        if isinstance(value, Mapping) and value and set(value) <= set(named):
            given = [k for k, v in value.items() if v is not None]
            if len(given) == 1:
                tag, member = named[given[0]]
                return tag + member(value[given[0]], path)
        for _, (tag, member) in ranked:
            try:
                return tag + member(value, path)
            except InvalidValueError:
                continue
        raise refuse(path, spelled(node), value)

    return write
