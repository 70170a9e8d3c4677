"""One value, one text: the forms of the online store (spec, section 5), a column at a time, and back.

    Int, Decimal        digits; a Decimal has exactly its scale
    Float32, Float64    the shortest decimal that reads back equal; NaN, Infinity, -Infinity
    Bool                true, false
    String              itself
    Timestamp, Date     2026-11-21T07:40:00.123456Z, 2026-11-21
    Bytes               base64
    List, Map, Struct   JSON, see `nested`

Refuses to know Redis: a null has no text here, and that its field is then absent is for `resp` to see to.
"""

from __future__ import annotations

import base64
from datetime import date, datetime
from decimal import Decimal as PyDecimal
from decimal import InvalidOperation
from typing import overload

import numpy as np
import polars as pl

from headrace.errors import DecodeError
from headrace.online.instants import instant_text
from headrace.online.nested import from_json, json_text
from headrace.types import (
    FLOATS,
    INTEGERS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
)

_NESTED = (List, Map, Struct)


@overload
def to_text(column: pl.Series, type: DataType) -> pl.Series: ...
@overload
def to_text(column: pl.Expr, type: DataType) -> pl.Expr: ...
def to_text(column: pl.Series | pl.Expr, type: DataType) -> pl.Series | pl.Expr:
    """The text of each value of a column, as String; null stays null.

    A column that is not of ``type.polars`` is cast to it first, and Polars' error is raised if that fails.
    """
    if isinstance(column, pl.Expr):
        return column.map_batches(lambda s: to_text(s, type), return_dtype=pl.String)
    if column.dtype != type.polars:
        column = column.cast(type.polars)
    if isinstance(type, _NESTED):
        return json_text(column, type, _plain).alias(column.name)
    return _plain(column, type)


def _plain(column: pl.Series, type: DataType) -> pl.Series:
    if type == String:
        return column
    if type == Timestamp:
        return instant_text(column.cast(pl.Int64))
    if type == Bytes:
        return column.bin.encode("base64")
    text = column.cast(pl.String)
    if type in FLOATS and column.is_infinite().any():
        return text.replace(["inf", "-inf"], ["Infinity", "-Infinity"])
    return text


def from_text(text: str, type: DataType) -> object:
    """The Python value of a text: int, float, bool, str, datetime (UTC), date, Decimal, bytes, list or dict.

    The inverse of `to_text` for every value that Python can carry. Raises DecodeError if the text is not of
    the type, and for a timestamp or date outside the years 1 to 9999, which Python has no value for.
    """
    try:
        return from_json(text, type, _value) if isinstance(type, _NESTED) else _value(text, type)
    except (ValueError, InvalidOperation) as exc:
        raise DecodeError(f"expected the text of a {type}, got {text[:200]!r} ({exc})") from None


def _value(text: str, type: DataType) -> object:
    if type == String:
        return text
    if type in INTEGERS:
        return int(text)
    if type == Float32:
        return float(np.float32(text))  # The value that the column held: the text is short for it.
    if type == Float64:
        return float(text)
    if type == Bool:
        if text not in ("true", "false"):
            raise ValueError("true or false")
        return text == "true"
    if type == Timestamp:
        return datetime.fromisoformat(text)
    if type == Date:
        return date.fromisoformat(text)
    if isinstance(type, Decimal):
        return PyDecimal(text)
    if type == Bytes:
        return base64.b64decode(text, validate=True)
    if type == Null:
        raise ValueError("a Null has no text")
    raise ValueError(f"no text form of a {type}")
