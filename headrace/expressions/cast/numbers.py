"""Casts among booleans, integers, floats and decimals, as Spark's non-ANSI cast does them.

Integers wrap, floats saturate when they become int or bigint (NaN becomes 0), decimals are cut towards zero
when they become integers and are null where they do not fit.
"""

from __future__ import annotations

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.cast.text_to_number import to_decimal
from headrace.expressions.columns import constant, int128, trunc_div
from headrace.types import INTEGERS, Bool, DataType, Decimal, Float32, Float64, Int32, Int64


def cast_number(x: pl.Expr, a: DataType, t: DataType) -> pl.Expr:
    """`a` and `t` are Bool or numeric, and differ."""
    if t == Bool:
        return decimals.unscaled(x) != 0 if isinstance(a, Decimal) else x != constant(0, a)
    if isinstance(t, Decimal):
        return _to_decimal(x, a, t)
    if t in INTEGERS:
        return _to_integer(x, a, t)
    if isinstance(a, Decimal):
        return x.cast(pl.Float64).cast(t.polars)
    return x.cast(t.polars)


def _to_decimal(x: pl.Expr, a: DataType, t: Decimal) -> pl.Expr:
    if isinstance(a, Decimal):
        return decimals.rescale(x, a, t)
    if a in (Float32, Float64):
        # Spark goes by the shortest text of the double, so that 1.005 is not 1.00499999...
        return to_decimal(x.cast(pl.Float64).cast(pl.String), t)
    return decimals.from_integer(x, t)


def _to_integer(x: pl.Expr, a: DataType, t: DataType) -> pl.Expr:
    if isinstance(a, Decimal):
        whole = trunc_div(decimals.unscaled(x), int128(10**a.scale))
        return whole.cast(pl.Int64, wrap_numerical=True).cast(t.polars, wrap_numerical=True)
    if a in (Float32, Float64):
        return saturated(x, Int64 if t == Int64 else Int32).cast(t.polars, wrap_numerical=True)
    if a in INTEGERS and INTEGERS.index(a) > INTEGERS.index(t):
        return x.cast(t.polars, wrap_numerical=True)
    return x.cast(t.polars)


def saturated(x: pl.Expr, t: DataType) -> pl.Expr:
    """A float cut towards zero to Int32 or Int64, as Java's (int) and (long): NaN is 0, ends are held."""
    bits = 63 if t == Int64 else 31
    y = x.cast(pl.Float64).fill_nan(0.0)
    return (
        pl.when(y >= 2.0**bits)
        .then(constant(2**bits - 1, t))
        .when(y <= -(2.0**bits))
        .then(constant(-(2**bits), t))
        .otherwise(y.cast(t.polars, strict=False))
    )
