"""Spark's cast in non-ANSI mode, from every type to every other that Spark allows.

A value that cannot be cast is null. `can_cast` says, before any row is seen, whether Spark allows the pair.
"""

from __future__ import annotations

import polars as pl

from headrace.expressions.cast import text_to_number, text_to_time, to_text
from headrace.expressions.cast.numbers import cast_number
from headrace.expressions.cast.time import date_to_timestamp, number_to_timestamp, time_to_number
from headrace.expressions.columns import date, micros, null_of
from headrace.expressions.intervals import MICROS_PER_DAY, Interval
from headrace.types import (
    FLOATS,
    INTEGERS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
)


def can_cast(a: DataType, t: DataType) -> bool:
    """Whether Spark's non-ANSI ``cast`` takes a value of type `a` to type `t`."""
    if a in (t, Null):
        return True
    if isinstance(a, Interval) or isinstance(t, Interval):
        return False
    if isinstance(a, List) and isinstance(t, List):
        return can_cast(a.item, t.item)
    if isinstance(a, Map) and isinstance(t, Map):
        return can_cast(a.key, t.key) and can_cast(a.value, t.value)
    if isinstance(a, Struct) and isinstance(t, Struct):
        return len(a.fields) == len(t.fields) and all(
            can_cast(x, y) for (_, x), (_, y) in zip(a.fields, t.fields, strict=True)
        )
    if t == String:
        return True
    if isinstance(a, (List, Map, Struct)) or isinstance(t, (List, Map, Struct)) or t == Null:
        return False
    if t == Bytes:
        return a == String or a in INTEGERS
    if a == Bytes:
        return False
    if t == Date:
        return a in (String, Timestamp)
    return True


def cast_expression(x: pl.Expr, a: DataType, t: DataType) -> pl.Expr:
    """`x` of type `a` as type `t`; the pair is one that `can_cast` allows."""
    if a == t:
        return x
    if a == Null:
        return null_of(t)
    if isinstance(a, Interval) and isinstance(t, Interval):
        return x
    if isinstance(t, List) and isinstance(a, List):
        return x.list.eval(cast_expression(pl.element(), a.item, t.item))
    if isinstance(t, Map) and isinstance(a, Map):
        pair = pl.element().struct
        key = cast_expression(pair.field("key"), a.key, t.key).alias("key")
        return x.list.eval(
            pl.struct(key, cast_expression(pair.field("value"), a.value, t.value).alias("value"))
        )
    if isinstance(t, Struct) and isinstance(a, Struct):
        members = [
            cast_expression(x.struct.field(old), b, c).alias(new)
            for (old, b), (new, c) in zip(a.fields, t.fields, strict=True)
        ]
        return pl.when(x.is_not_null()).then(pl.struct(members)).otherwise(null_of(t))
    if t == String:
        return to_text.to_text(x, a)
    if a == String:
        return _from_text(x, t)
    if t == Timestamp:
        return date_to_timestamp(x) if a == Date else number_to_timestamp(x, a)
    if t == Date:
        return date(micros(x) // MICROS_PER_DAY)
    if a in (Timestamp, Date):
        return time_to_number(x, a, t)
    if t == Bytes:
        return integer_to_bytes(x, a)
    return cast_number(x, a, t)


def _from_text(x: pl.Expr, t: DataType) -> pl.Expr:
    if t == Bool:
        return text_to_number.to_bool(x)
    if t in INTEGERS:
        return text_to_number.to_integer(x, t)
    if t in FLOATS:
        return text_to_number.to_float(x, t)
    if isinstance(t, Decimal):
        return text_to_number.to_decimal(x, t)
    if t == Bytes:
        return x.cast(pl.Binary)
    return text_to_time.to_date(x) if t == Date else text_to_time.to_timestamp(x)


def integer_to_bytes(x: pl.Expr, a: DataType) -> pl.Expr:
    """Big-endian bytes of an integer."""
    size = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}[a.spark]
    digits = (x.cast(pl.Int128) % (1 << (8 * size))).cast(pl.UInt64)
    parts = [
        ((digits // (1 << (8 * i))) % 256).cast(pl.UInt8).cast(pl.Int64) for i in range(size - 1, -1, -1)
    ]
    hexadecimal = [_hex_digit(p // 16) + _hex_digit(p % 16) for p in parts]
    return pl.concat_str(hexadecimal).str.decode("hex")


def _hex_digit(x: pl.Expr) -> pl.Expr:
    return pl.lit("0123456789abcdef").str.slice(x, 1)


__all__ = ["can_cast", "cast_expression"]
