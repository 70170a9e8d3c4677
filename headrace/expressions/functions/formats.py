"""Dates and times as text with Java patterns, and back: date_format, to_date, to_timestamp, unix_timestamp."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.coercion import Kind, implicit
from headrace.expressions.columns import (
    MICROS_PER_DAY,
    constant,
    date,
    int64,
    micros,
    per_column,
    timestamp,
    trunc_div,
)
from headrace.expressions.java_patterns import BadPatternError, printed, read
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined, literal
from headrace.types import DataType, Date, Int64, String, Timestamp

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "date and time"
DEFAULT = "yyyy-MM-dd HH:mm:ss"
MICROS = 1_000_000
Compiler = Callable[[str], Callable[[pl.Expr], pl.Expr]]
_printed = lru_cache(maxsize=256)(printed)
_read = lru_cache(maxsize=256)(read)


def _with_pattern(binder: Binder, compiler: Compiler, x: Value, pattern: Value, t: DataType) -> pl.Expr:
    """`compiler(pattern)` over `x`; a pattern that differs by row is compiled once for each that occurs."""
    if pattern.constant is not None:
        if pattern.known is None:
            return constant(None, t)
        try:
            return compiler(pattern.known)(x.expr)
        except BadPatternError as error:
            raise binder.mismatch(f"`{pattern.known}` is no date pattern: {error}") from None

    def run(values: pl.Series, patterns: pl.Series) -> pl.Series:
        frame = pl.DataFrame({"value": values.alias("v"), "pattern": patterns.alias("p")})
        out = pl.lit(None, dtype=t.polars)
        for one in patterns.unique().drop_nulls():
            try:
                out = pl.when(pl.col("pattern") == one).then(compiler(one)(pl.col("value"))).otherwise(out)
            except BadPatternError:
                continue
        return frame.select(out.alias("out"))["out"]

    return per_column(run, x.expr, pattern.expr, returns=t)


def _as(binder: Binder, name: str, x: Value, *accepted: DataType) -> Value:
    t = implicit(x.type, accepted)
    if t is None:
        wanted = " or ".join(a.spark for a in accepted)
        raise binder.mismatch(f"`{name}` takes {wanted}, got {x.type.spark}")
    return binder.cast(x, t)


@operation("date_format", group=GROUP, params=(Timestamp, String), raw=True, result="string")
def date_format(binder: Binder, x: Value, pattern: Value) -> Value:
    x, pattern = _as(binder, "date_format", x, Timestamp), _as(binder, "date_format", pattern, String)
    return combined(String, _with_pattern(binder, _printed, x, pattern, String), (x, pattern))


def _parsed(binder: Binder, name: str, x: Value, pattern: Value) -> Value:
    """Microseconds of a string in a pattern; of a date or timestamp, itself."""
    if implicit(x.type, Kind.MOMENT) is None:
        raise binder.mismatch(f"`{name}` takes {Kind.MOMENT.value}, got {x.type.spark}")
    x = _as(binder, name, x, String, Date, Timestamp)
    pattern = _as(binder, name, pattern, String)
    if x.type != String:
        x = binder.cast(x, Timestamp)
        expr = micros(x.expr)
        return combined(Int64, expr, (x, pattern))
    return combined(Int64, _with_pattern(binder, _read, x, pattern, Int64), (x, pattern))


@operation(
    "to_date",
    "try_to_date",
    group=GROUP,
    params=((String, Date, Timestamp), String),
    optional=1,
    raw=True,
    result="date",
)
def to_date(binder: Binder, x: Value, pattern: Value | None = None) -> Value:
    if pattern is None:
        return binder.cast(_as(binder, "to_date", x, String, Date, Timestamp), Date)
    us = _parsed(binder, "to_date", x, pattern)
    return combined(Date, date(us.expr // MICROS_PER_DAY), (us,))


@operation(
    "to_timestamp",
    "try_to_timestamp",
    "to_timestamp_ltz",
    group=GROUP,
    params=((String, Date, Timestamp), String),
    optional=1,
    raw=True,
    result="timestamp",
)
def to_timestamp(binder: Binder, x: Value, pattern: Value | None = None) -> Value:
    if pattern is None:
        if implicit(x.type, Kind.NUMERIC) is not None and x.type != String:
            return binder.cast(x, Timestamp)
        return binder.cast(_as(binder, "to_timestamp", x, String, Date, Timestamp), Timestamp)
    us = _parsed(binder, "to_timestamp", x, pattern)
    return combined(Timestamp, timestamp(us.expr), (us,))


@operation(
    "unix_timestamp",
    "to_unix_timestamp",
    group=GROUP,
    params=((String, Date, Timestamp), String),
    optional=1,
    raw=True,
    result="bigint",
)
def unix_timestamp(binder: Binder, x: Value, pattern: Value | None = None) -> Value:
    us = _parsed(binder, "unix_timestamp", x, pattern or literal(DEFAULT, String))
    return combined(Int64, trunc_div(us.expr, int64(MICROS)), (us,))


@operation("from_unixtime", group=GROUP, params=(Int64, String), optional=1, raw=True, result="string")
def from_unixtime(binder: Binder, x: Value, pattern: Value | None = None) -> Value:
    x = _as(binder, "from_unixtime", x, Int64)
    pattern = _as(binder, "from_unixtime", pattern or literal(DEFAULT, String), String)
    at = combined(Timestamp, timestamp(x.expr * MICROS), (x,))
    return combined(String, _with_pattern(binder, _printed, at, pattern, String), (at, pattern))
