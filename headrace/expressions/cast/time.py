"""Casts between dates, timestamps and numbers: numbers count seconds since 1970-01-01 UTC."""

from __future__ import annotations

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.cast.numbers import cast_number, saturated
from headrace.expressions.columns import (
    MICROS_PER_DAY,
    days,
    divided,
    int64,
    int128,
    micros,
    null_of,
    timestamp,
    trunc_div,
)
from headrace.types import FLOATS, Bool, DataType, Date, Decimal, Float64, Int64

SECOND = 1_000_000


def date_to_timestamp(x: pl.Expr) -> pl.Expr:
    return timestamp(days(x).cast(pl.Int64) * MICROS_PER_DAY)


def number_to_timestamp(x: pl.Expr, a: DataType) -> pl.Expr:
    """Seconds to a timestamp; a boolean is 0 or 1 microsecond; NaN and infinity are null."""
    if a == Bool:
        return timestamp(x.cast(pl.Int64))
    if a in FLOATS:
        seconds = x.cast(pl.Float64)
        us = saturated(seconds * 1e6, Int64)
        return timestamp(pl.when(seconds.is_finite()).then(us).otherwise(None))
    if isinstance(a, Decimal):
        shift = a.scale - 6
        whole = decimals.unscaled(x)
        us = trunc_div(whole, int128(10**shift)) if shift > 0 else whole * int128(10**-shift)
        return timestamp(us.cast(pl.Int64, wrap_numerical=True))
    return timestamp(seconds_to_micros(x))


def seconds_to_micros(x: pl.Expr) -> pl.Expr:
    """Int64 microseconds, held at the ends as Java's TimeUnit does."""
    wide = x.cast(pl.Int64)
    limit = (2**63 - 1) // SECOND
    return (
        pl.when(wide > limit)
        .then(int64(2**63 - 1))
        .when(wide < -limit)
        .then(int64(-(2**63)))
        .otherwise(wide * SECOND)
    )


def time_to_number(x: pl.Expr, a: DataType, t: DataType) -> pl.Expr:
    """Seconds since the epoch: whole ones rounded down, floats and decimals with the fraction. Dates are null."""
    if a == Date:
        return null_of(t)
    us = micros(x)
    if t == Bool:
        return us != 0
    seconds = divided(us.cast(pl.Float64), 1e6)
    if t == Float64:
        return seconds
    if isinstance(t, Decimal) or t in FLOATS:
        return cast_number(seconds, Float64, t)
    whole = us // SECOND
    return whole if t == Int64 else whole.cast(t.polars, wrap_numerical=True)
