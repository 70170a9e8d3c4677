"""Typed values as 8-byte words or as bytes, and back: how partial aggregates carry a column's values.

A word keeps the order of its type, so that smallest and largest are integer comparisons: floats in their
total order with NaN (one NaN) above infinity and -0.0 below 0.0, decimals of up to 18 digits unscaled.
Everything else is bytes: text and binary as they are, in their order; wider decimals big-endian, in theirs;
nested values in Avro, in no order.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import fastavro
import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.partials import Ints
from headrace.types import (
    FLOATS,
    INTEGERS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
)

_BELOW_SIGN = np.int64(2**63 - 1)
_SIGN = np.uint64(2**63)
_ZERO = b"\x80" + bytes(15)


def is_word(type: DataType) -> bool:
    """Whether values of the type fit 8 bytes."""
    if isinstance(type, Decimal):
        return type.precision <= 18
    return type in INTEGERS or type in FLOATS or type in (Bool, Date, Timestamp, Null)


def has_order(type: DataType) -> bool:
    """Whether min and max are defined: all but lists, maps and structs."""
    return not isinstance(type, List | Map | Struct)


def to_words(values: pl.Series, type: DataType) -> Ints:
    """The words of a column without nulls, in the order of its type."""
    if type in FLOATS:
        floats = values.cast(pl.Float64).to_numpy()
        floats = np.where(np.isnan(floats), np.nan, floats)
        bits = floats.view("i8")
        return np.asarray(bits ^ ((bits >> 63) & _BELOW_SIGN), "i8")
    return np.asarray(values.to_physical().cast(pl.Int64).to_numpy(), "i8")


def from_words(words: Ints, type: DataType) -> pl.Series:
    """The column of a type that `to_words` came from."""
    if type in FLOATS:
        floats = (words ^ ((words >> 63) & _BELOW_SIGN)).view("f8")
        series = pl.Series(floats)
        return series.cast(pl.Float32) if type == Float32 else series
    if isinstance(type, Decimal):
        return decimals(words, words >> 63, type)
    if type == Bool:
        return pl.Series(words != 0)
    if type == Null:
        return pl.Series([None] * len(words), dtype=pl.Null)
    return pl.Series(words).cast(type.polars)


def decimals(low: Ints, high: Ints, type: Decimal) -> pl.Series:
    """Decimals of unscaled 128-bit values given as two words each."""
    pairs = np.empty((len(low), 2), "i8")
    pairs[:, 0], pairs[:, 1] = low, high
    buffers = [None, pa.py_buffer(pairs.tobytes())]
    array = pa.Array.from_buffers(pa.decimal128(38, type.scale), len(low), buffers)
    return pl.Series(array, dtype=pl.Decimal(38, type.scale)).cast(type.polars)


def halves(values: pl.Series) -> tuple[Ints, Ints]:
    """The unscaled 128-bit values of a decimal column without nulls, as (low, high) words."""
    array = values.to_arrow()
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    pairs = np.frombuffer(array.buffers()[1], "i8")[2 * array.offset : 2 * (array.offset + len(array))]
    return pairs[0::2].copy(), pairs[1::2].copy()


def without_negative_zero(values: pl.Series, type: DataType) -> pl.Series:
    """A column without nulls with 0.0 in place of -0.0, which Spark takes for the same when it counts.

    By numpy: Polars takes an addition of 0.0 for one of nothing.
    """
    return pl.Series(values.to_numpy() + 0.0, dtype=values.dtype) if type in FLOATS else values


def to_bytes(values: pl.Series, type: DataType) -> pl.Series:
    """Each value as bytes (Binary); null stays null. In the type's order, if it has one."""
    if type == String:
        return values.cast(pl.Binary)
    if type == Bytes:
        return values
    if isinstance(type, Decimal):
        low, high = halves(values.fill_null(0))
        pairs = np.empty((len(low), 2), ">u8")
        pairs[:, 0], pairs[:, 1] = high.view("u8") ^ _SIGN, low.view("u8")
        raw = pairs.tobytes()
        texts = pl.Series([raw[i : i + 16] for i in range(0, len(raw), 16)], dtype=pl.Binary)
        return texts.set(values.is_null(), None) if values.null_count() else texts
    schema, plain = _avro(type), _plain(type)
    return pl.Series(
        [None if v is None else _write(schema, v) for v in values.cast(plain).to_list()], dtype=pl.Binary
    )


def from_bytes(texts: pl.Series, type: DataType) -> pl.Series:
    """The column of a type that `to_bytes` came from; null stays null."""
    if type == String:
        return texts.cast(pl.String)
    if type == Bytes:
        return texts
    if isinstance(type, Decimal):
        raw = b"".join(texts.fill_null(_ZERO).to_list())
        pairs = np.frombuffer(raw, ">u8").reshape(-1, 2).astype("u8")
        series = decimals(pairs[:, 1].view("i8"), (pairs[:, 0] ^ _SIGN).view("i8"), type)
        return series.set(texts.is_null(), None) if texts.null_count() else series
    schema, plain = _avro(type), _plain(type)
    values = [None if t is None else _read(schema, t) for t in texts.to_list()]
    return pl.Series(values, dtype=plain).cast(type.polars)


def _write(schema: Any, value: object) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def _read(schema: Any, text: bytes) -> object:
    value: object = fastavro.schemaless_reader(io.BytesIO(text), schema)
    return value


@cache
def _avro(type: DataType) -> Any:
    """A parsed Avro schema for the plain form of a nested type."""
    return fastavro.parse_schema(_node(type, "v"), {})


def _node(type: DataType, name: str) -> Any:
    if isinstance(type, List):
        return {"type": "array", "items": ["null", _node(type.item, name + "i")]}
    if isinstance(type, Map):
        pair = Struct((("key", type.key), ("value", type.value)))
        return {"type": "array", "items": ["null", _node(pair, name + "e")]}
    if isinstance(type, Struct):
        members = [
            {"name": f, "type": ["null", _node(t, f"{name}{i}_")]} for i, (f, t) in enumerate(type.fields)
        ]
        return {"type": "record", "name": name, "fields": members}
    if type == Bool:
        return "boolean"
    if type == Bytes:
        return "bytes"
    if type in FLOATS:
        return "double"
    return "string" if type == String or isinstance(type, Decimal) else "long"


def _plain(type: DataType) -> pl.DataType:
    """The Polars type whose Python values are exact and plain: numbers for times, texts for decimals."""
    if isinstance(type, List):
        return pl.List(_plain(type.item))
    if isinstance(type, Map):
        return pl.List(pl.Struct({"key": _plain(type.key), "value": _plain(type.value)}))
    if isinstance(type, Struct):
        return pl.Struct({name: _plain(t) for name, t in type.fields})
    if isinstance(type, Decimal):
        return pl.String()
    return pl.Int64() if type in (Date, Timestamp) or type in INTEGERS else type.polars
