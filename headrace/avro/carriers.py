"""How a decoded Avro value is held before it becomes a column of its type: the carriers.

Both ways of decoding (`polars.read_avro` and the walk) give the same carriers, and `resolution` turns them into
columns, so that the two agree by construction.

| Avro | carrier |
| --- | --- |
| int, long | Int64 (Polars reads an int's low 32 bits without a word: read as a long, its range can be checked) |
| enum | Int64, the symbol's index |
| boolean float double string bytes fixed | Boolean Float32 Float64 String Binary Binary |
| array; map | List; List of Struct(key, value), whose bytes are those of an array of records |
| record | Struct |
| union of null and T | T's, nullable |
| any other union | Struct(tag Int64, b0, b1, ...), the branches that are not taken null |
| null | Null; absent among a record's members as Polars reads it |
"""

from __future__ import annotations

from itertools import count
from typing import Any

import polars as pl

from headrace.avro.nodes import Array, Enum, Field, Fixed, Map, Node, Primitive, Record, Union, is_null

_DTYPES: dict[str, pl.DataType] = {
    "null": pl.Null(),
    "boolean": pl.Boolean(),
    "int": pl.Int64(),
    "long": pl.Int64(),
    "float": pl.Float32(),
    "double": pl.Float64(),
    "string": pl.String(),
    "bytes": pl.Binary(),
}


def dtype(node: Node) -> pl.DataType:
    """The Polars type of a node's carrier."""
    match node:
        case Primitive(kind):
            return _DTYPES[kind]
        case Fixed():
            return pl.Binary()
        case Enum():
            return pl.Int64()
        case Array(items):
            return pl.List(dtype(items))
        case Map(values):
            return dtype(as_array(values))
        case Record(_, fields):
            return pl.Struct({f.name: dtype(f.node) for f in fields})
        case Union(branches):
            if node.optional is not None:
                return dtype(node.optional)
            return pl.Struct({"tag": pl.Int64(), **{f"b{i}": dtype(b) for i, b in enumerate(branches)}})
    raise AssertionError(node)


def nulls(dtype: pl.DataType, n: int) -> pl.Series:
    """`n` nulls."""
    return repeated(pl.Series([None], dtype=dtype), n)


def repeated(one: pl.Series, n: int) -> pl.Series:
    """The one value of a series, `n` times."""
    return one.new_from_index(0, n) if n else one.clear()


def as_array(values: Node) -> Array:
    """The array whose encoding is that of a map: of records of key and value."""
    return Array(Record("entry", (Field("key", Primitive("string")), Field("value", values))))


def without_maps(record: Record) -> Record:
    """The record with arrays in place of maps: encoded alike, and the same carriers."""
    return Record(record.name, tuple(Field(f.name, _without_maps(f.node)) for f in record.fields))


def _without_maps(node: Node) -> Node:
    match node:
        case Map(values):
            return _without_maps(as_array(values))
        case Array(items):
            return Array(_without_maps(items))
        case Record():
            return without_maps(node)
        case Union(branches):
            return Union(tuple(_without_maps(b) for b in branches))
    return node


def has_list(node: Node) -> bool:
    """Whether an array or a map is in it anywhere."""
    match node:
        case Array() | Map():
            return True
        case Record(_, fields):
            return any(has_list(f.node) for f in fields)
        case Union(branches):
            return any(has_list(b) for b in branches)
    return False


def header_fields(record: Record) -> list[dict[str, Any]] | None:
    """The Avro fields under which Polars reads a record's bytes as carriers; None if it cannot.

    It cannot read a union whose branch differs from record to record, nor an array of nulls.
    """
    try:
        return _fields(record, count())
    except _BeyondPolarsError:
        return None


class _BeyondPolarsError(Exception):
    pass


def _fields(record: Record, names: count[int]) -> list[dict[str, Any]]:
    return [{"name": f.name, "type": _header(f.node, names)} for f in record.fields if not is_null(f.node)]


def _header(node: Node, names: count[int]) -> Any:
    match node:
        case Primitive(kind):
            if kind == "null":
                raise _BeyondPolarsError
            return "long" if kind == "int" else kind
        case Enum():
            return "long"
        case Fixed(_, size):
            return {"type": "fixed", "name": f"T{next(names)}", "size": size}
        case Array(items):
            return {"type": "array", "items": _header(items, names)}
        case Map(values):
            return _header(as_array(values), names)
        case Record():
            fields = _fields(node, names)
            if not fields:
                raise _BeyondPolarsError
            return {"type": "record", "name": f"T{next(names)}", "fields": fields}
        case Union():
            inner = node.optional
            if inner is None:
                raise _BeyondPolarsError
            pair = ["null", _header(inner, names)]
            return pair if node.null == 0 else pair[::-1]
    raise AssertionError(node)


def least_size(node: Node) -> int:
    """The fewest bytes that a value can take: what bounds an array's count by the bytes that are there."""
    match node:
        case Primitive(kind):
            return {"null": 0, "float": 4, "double": 8}.get(kind, 1)
        case Fixed(_, size):
            return size
        case Record(_, fields):
            return sum(least_size(f.node) for f in fields)
        case Union(branches):
            return 1 + min(least_size(b) for b in branches)
    return 1


def has_flag(node: Node) -> bool:
    """Whether a union or a boolean is in it anywhere: a byte of which Polars takes any value."""
    match node:
        case Primitive(kind):
            return kind == "boolean"
        case Union():
            return True
        case Array(inner) | Map(inner):
            return has_flag(inner)
        case Record(_, fields):
            return any(has_flag(f.node) for f in fields)
    return False
