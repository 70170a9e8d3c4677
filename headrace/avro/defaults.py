"""A field's default, which a schema writes as JSON, as Avro bytes and as a column of one value.

JSON forms are those of the Avro specification ("Complex Types", default): bytes and fixed are texts of which each
character is a byte; an enum is its symbol; a union's default is of the first branch that it fits.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import polars as pl

from headrace.avro import varints
from headrace.avro.mapping import data_type
from headrace.avro.marks import Marks
from headrace.avro.nodes import (
    MISSING,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    spelled,
)
from headrace.avro.resolution import resolve_columns
from headrace.avro.walk import Walk
from headrace.errors import SchemaError


def default_column(field: Field) -> pl.Series:
    """The default of a reader's field as a series of one value of its column type."""
    try:
        data = default_bytes(field.node, field.default)
    except (TypeError, ValueError, KeyError, struct.error):
        raise SchemaError(
            "the default does not fit the type",
            field=field.name,
            expected=spelled(field.node),
            got=repr(field.default),
        ) from None
    record = Record("default", (Field(field.name, field.node),))
    found = Walk(record)(memoryview(data + b"\0"), np.zeros(1, np.int64), np.array([len(data)], np.int64))
    column = resolve_columns(record, record, default_column)[field.name](found.frame, Marks(1))
    return column.cast(data_type(field.node).polars)


def default_bytes(node: Node, value: Any) -> bytes:
    """The Avro encoding of a default. ValueError, TypeError or KeyError if it does not fit the type."""
    match node:
        case Primitive(kind):
            return _primitive(kind, value)
        case Fixed(_, size):
            data = str(value).encode("latin-1")
            if len(data) != size:
                raise ValueError(value)
            return data
        case Enum(_, symbols):
            return varints.encode(symbols.index(value))
        case Array(items):
            if not isinstance(value, list):
                raise TypeError(value)
            return _blocks([default_bytes(items, v) for v in value])
        case Map(values):
            return _blocks([_primitive("string", k) + default_bytes(values, v) for k, v in value.items()])
        case Record(_, fields):
            given = {f.name: value.get(f.name, f.default) for f in fields}
            return b"".join(default_bytes(f.node, given[f.name]) for f in fields)
        case Union(branches):
            for i, branch in enumerate(branches):
                try:
                    return varints.encode(i) + default_bytes(branch, value)
                except (TypeError, ValueError, KeyError, AttributeError, struct.error):
                    continue
    raise ValueError(value)


def _blocks(items: list[bytes]) -> bytes:
    return (varints.encode(len(items)) + b"".join(items) if items else b"") + b"\0"


_PYTHON = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "string": (str,),
    "bytes": (str,),
}


def _primitive(kind: str, value: Any) -> bytes:
    if value is MISSING or type(value) not in _PYTHON[kind]:
        raise TypeError(value)
    match kind:
        case "null":
            return b""
        case "boolean":
            return b"\1" if value else b"\0"
        case "int" | "long":
            return varints.encode(value)
        case "float":
            return struct.pack("<f", value)
        case "double":
            return struct.pack("<d", value)
    data: bytes = value.encode("latin-1" if kind == "bytes" else "utf-8")
    return varints.encode(len(data)) + data
