"""Sums of dates, timestamps and intervals (Spark's ResolveBinaryArithmetic)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.columns import (
    date,
    date_of,
    days,
    days_from_civil,
    days_in_month,
    int64,
    micros,
    timestamp,
)
from headrace.expressions.intervals import (
    MICROS_PER_DAY,
    Interval,
    bounds,
    day_time,
    is_day_time,
    is_year_month,
    span,
    year_month,
)
from headrace.expressions.value import Value, combined
from headrace.types import (
    INTEGERS,
    DataType,
    Date,
    Decimal,
    Float64,
    Int8,
    Int16,
    Int32,
    Null,
    String,
    Timestamp,
    is_numeric,
)

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

__all__ = ["add", "add_months", "date_of", "multiply", "subtract"]


def add(binder: Binder, a: Value, b: Value) -> Value:
    """``a + b`` where one is a date, timestamp or interval."""
    if isinstance(a.type, Interval) and isinstance(b.type, Interval):
        return _same_kind(binder, "+", a, b)
    if isinstance(a.type, Interval) or (b.type == Date and a.type != Date):
        a, b = b, a
    return _shift(binder, "+", a, b)


def subtract(binder: Binder, a: Value, b: Value) -> Value:
    """``a - b`` where one is a date, timestamp or interval."""
    if isinstance(a.type, Interval) and isinstance(b.type, Interval):
        return _same_kind(binder, "-", a, b)
    if a.type == Date and b.type == Date:
        between = (days(a.expr).cast(pl.Int64) - days(b.expr).cast(pl.Int64)) * MICROS_PER_DAY
        return combined(day_time("day", "day"), between, (a, b))
    if a.type in (Date, Timestamp) and b.type in (Date, Timestamp):
        a, b = binder.cast(a, Timestamp), binder.cast(b, Timestamp)
        return combined(day_time(), micros(a.expr) - micros(b.expr), (a, b))
    return _shift(binder, "-", a, b)


def _same_kind(binder: Binder, op: str, a: Value, b: Value) -> Value:
    assert isinstance(a.type, Interval)
    assert isinstance(b.type, Interval)
    if is_day_time(a.type) != is_day_time(b.type):
        raise _refused(binder, op, a, b)
    return combined(span(a.type, b.type), a.expr + b.expr if op == "+" else a.expr - b.expr, (a, b))


def _refused(binder: Binder, op: str, a: Value, b: Value) -> Exception:
    return binder.mismatch(
        f"`{op}` does not take {a.type.spark} and {b.type.spark}",
        "Add an interval to a timestamp or date (`t + interval 1 hour`), or whole days to a date.",
    )


def _shift(binder: Binder, op: str, a: Value, b: Value) -> Value:
    sign = 1 if op == "+" else -1
    t = b.type
    if is_year_month(t) and a.type in (Date, Timestamp):
        return combined(a.type, add_months(a.expr, a.type, b.expr * sign), (a, b))
    if is_day_time(t) and a.type in (Date, Timestamp, String, Null):
        if a.type == Date and bounds_are_days(t):
            whole = b.expr // MICROS_PER_DAY * sign
            return combined(Date, date(days(a.expr).cast(pl.Int64) + whole), (a, b))
        at = binder.cast(a, Timestamp)
        moved = combined(Timestamp, timestamp(micros(at.expr) + b.expr * sign), (at, b))
        return binder.cast(moved, String) if a.type == String else moved
    if a.type == Date and t in (Int32, Int16, Int8, Null):
        count = b.expr.cast(pl.Int32) * sign
        return combined(Date, date(days(a.expr) + count), (a, b))
    raise _refused(binder, op, a, b)


def bounds_are_days(t: DataType) -> bool:
    return isinstance(t, Interval) and bounds(t) == ("day", "day")


def multiply(binder: Binder, a: Value, b: Value) -> Value:
    """An interval times a number, rounded half up."""
    if isinstance(b.type, Interval):
        a, b = b, a
    if b.type == String:
        b = binder.cast(b, Float64)
    if not (is_numeric(b.type) or b.type == Null) or isinstance(b.type, Interval):
        raise _refused(binder, "*", a, b)
    t = year_month() if is_year_month(a.type) else day_time()
    if b.type in INTEGERS or b.type == Null:
        return combined(t, a.expr * b.expr.cast(a.type.polars), (a, b))
    if isinstance(b.type, Decimal):
        whole = a.expr.cast(pl.Int128) * decimals.unscaled(b.expr)
        scaled = decimals.half_up(whole, pl.lit(10**b.type.scale, dtype=pl.Int128))
        return combined(t, scaled.cast(t.polars, strict=False), (a, b))
    scaled = a.expr.cast(pl.Float64) * b.expr
    return combined(t, (scaled + 0.5).floor().cast(t.polars, strict=False), (a, b))


def add_months(x: pl.Expr, t: DataType, months: pl.Expr) -> pl.Expr:
    """A date or timestamp moved by whole months; a day past the month's end becomes its last day."""
    if t == Timestamp:
        day = micros(x).floordiv(int64(MICROS_PER_DAY))
        moved = add_months(date(day), Date, months)
        return timestamp(days(moved).cast(pl.Int64) * MICROS_PER_DAY + micros(x) - day * MICROS_PER_DAY)
    total = x.dt.year().cast(pl.Int64) * 12 + x.dt.month().cast(pl.Int64) - 1 + months.cast(pl.Int64)
    year, month = total // 12, total % 12 + 1
    day_of_month = pl.min_horizontal(x.dt.day().cast(pl.Int64), days_in_month(year, month).cast(pl.Int64))
    moved = days_from_civil(year, month, day_of_month)
    return date(pl.when(x.is_not_null() & months.is_not_null()).then(moved))
