"""Casts to string: Java's forms of numbers, Spark's forms of dates, times and nested values."""

from __future__ import annotations

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.columns import int128, micros, per_value
from headrace.expressions.java_numbers import double_text, float_text
from headrace.types import (
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
    String,
    Struct,
    Timestamp,
)


def to_text(x: pl.Expr, a: DataType) -> pl.Expr:
    """Any type of Spark but intervals as a string."""
    if a == String:
        return x
    if a == Bool:
        return pl.when(x).then(pl.lit("true")).when(~x).then(pl.lit("false"))
    if a in INTEGERS:
        return x.cast(pl.String)
    if a in (Float32, Float64):
        return per_value(float_text if a == Float32 else double_text, x, returns=String)
    if isinstance(a, Decimal):
        return _decimal(x, a)
    if a == Date:
        return _year_text(x, "%Y-%m-%d")
    if a == Timestamp:
        fraction = micros(x) % 1_000_000
        tail = pl.lit(".") + fraction.cast(pl.String).str.zfill(6).str.strip_chars_end("0")
        return _year_text(x, "%Y-%m-%d %H:%M:%S") + pl.when(fraction == 0).then(pl.lit("")).otherwise(tail)
    if a == Bytes:
        return per_value(lambda b: b.decode("utf-8", "replace"), x, returns=String)
    if isinstance(a, List):
        return _bracketed(x.list.eval(_member(pl.element(), a.item)), "[", "]")
    if isinstance(a, Map):
        pair = pl.element().struct
        text = _member(pair.field("key"), a.key) + " -> " + _member(pair.field("value"), a.value)
        return _bracketed(x.list.eval(text), "{", "}")
    if isinstance(a, Struct):
        members = [_member(x.struct.field(name), t) for name, t in a.fields]
        return pl.when(x.is_not_null()).then("{" + pl.concat_str(members, separator=", ") + "}")
    raise TypeError(f"no text of {a}")


def _member(x: pl.Expr, a: DataType) -> pl.Expr:
    return to_text(x, a).fill_null("null")


def _bracketed(texts: pl.Expr, opening: str, closing: str) -> pl.Expr:
    return opening + texts.list.join(", ") + closing


def _year_text(x: pl.Expr, pattern: str) -> pl.Expr:
    return x.dt.strftime(pattern)


def _decimal(x: pl.Expr, a: Decimal) -> pl.Expr:
    """BigDecimal.toString: plain, but scientific where the first digit stands more than six places behind the
    point, which takes a scale above 6."""
    plain = x.cast(pl.String)
    if a.scale <= 6:
        return plain
    whole = decimals.unscaled(x).abs()
    tiny = whole < int128(10 ** (a.scale - 6))
    return pl.when(tiny).then(per_value(_scientific, pl.when(tiny).then(x), returns=String)).otherwise(plain)


def _scientific(value: object) -> str:
    return str(value)
