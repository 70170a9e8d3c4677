"""try_cast: Spark's ANSI cast, with null where it would raise.

It differs from the plain cast in what it takes from a string (an integer may have no fraction) and in numbers
that do not fit (null, where the plain cast wraps or holds the end).
"""

from __future__ import annotations

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.cast import can_cast, cast_expression
from headrace.expressions.cast.text_to_number import WHITE
from headrace.expressions.columns import int128, micros, null_of, trunc_div
from headrace.types import (
    FLOATS,
    INTEGERS,
    Bool,
    DataType,
    Date,
    Decimal,
    List,
    Null,
    String,
    Timestamp,
    is_numeric,
)


def can_try_cast(a: DataType, t: DataType) -> bool:
    """Whether ANSI mode allows the pair: no numbers from dates, no timestamps from booleans."""
    if a == Date and (is_numeric(t) or t == Bool):
        return False
    if {a, t} == {Timestamp, Bool}:
        return False
    return can_cast(a, t)


def try_cast_expression(x: pl.Expr, a: DataType, t: DataType) -> pl.Expr:
    if a in (t, Null):
        return null_of(t) if a == Null else x
    if isinstance(a, List) and isinstance(t, List):
        return x.list.eval(try_cast_expression(pl.element(), a.item, t.item))
    if t in INTEGERS:
        if a == String:
            word = x.str.strip_chars(WHITE)
            return pl.when(word.str.contains(r"^[+-]?[0-9]+$")).then(cast_expression(x, a, t))
        if a in FLOATS:
            whole = x.cast(pl.Float64)
            whole = pl.when(whole.is_finite()).then(
                pl.when(whole < 0).then(whole.ceil()).otherwise(whole.floor())
            )
            return whole.cast(t.polars, strict=False)
        if isinstance(a, Decimal):
            return trunc_div(decimals.unscaled(x), int128(10**a.scale)).cast(t.polars, strict=False)
        if a == Timestamp:
            return (micros(x) // 1_000_000).cast(t.polars, strict=False)
        return x.cast(t.polars, strict=False)
    return cast_expression(x, a, t)
