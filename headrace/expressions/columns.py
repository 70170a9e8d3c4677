"""Small building blocks over Polars expressions that every operation may use.

Owns typed constants, the per-value escape hatch, and calendar arithmetic on Int32/Int64 columns.
Nothing here knows Spark's names or its coercions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from headrace.types import DataType, List, Map, Struct, Timestamp

MICROS_PER_DAY = 86_400_000_000


def constant(value: object, type_: DataType) -> pl.Expr:
    """A literal of exactly `type_`. Timestamps are microseconds and dates are days, as ints."""
    if value is None:
        return pl.lit(None, dtype=type_.polars)
    if isinstance(type_, (List, Map, Struct)):
        return pl.lit(pl.Series([value], dtype=type_.polars)).first()
    if type_ == Timestamp or type_.spark == "date":
        whole = pl.lit(value, dtype=pl.Int64 if type_ == Timestamp else pl.Int32)
        return whole.cast(type_.polars)
    return pl.lit(value, dtype=type_.polars)


def null_of(type_: DataType) -> pl.Expr:
    return constant(None, type_)


def int32(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.Int32)


def int64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.Int64)


def int128(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.Int128)


def per_value(
    function: Callable[..., Any], *inputs: pl.Expr, returns: DataType, nulls: bool = False
) -> pl.Expr:
    """`function` called once for each distinct row of `inputs`: for what has no columnar form.

    With `nulls` False the result is null where an input is null, without a call. Timestamps and dates come as
    microseconds and days; decimals as Decimal. Inputs of one row stand for every row.
    """
    dtype = returns.polars
    carrier = pl.Int64() if returns == Timestamp else pl.Int32() if returns.spark == "date" else dtype

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        height = _height(columns)
        physical = [_physical(c) for c in columns]
        rows = [_spread(c.to_list(), height) for c in physical]
        keys = [_spread(_identity(c).to_list(), height) for c in physical]
        seen: dict[tuple[Any, ...], Any] = {}
        out: list[Any] = []
        for row, key in zip(zip(*rows, strict=True), zip(*keys, strict=True), strict=True) if height else ():
            if not nulls and None in row and any(v is None for v in row):
                out.append(None)
                continue
            try:
                out.append(seen[key])
            except KeyError:
                out.append(seen.setdefault(key, function(*row)))
            except TypeError:  # a list or dict inside the key
                out.append(function(*row))
        return pl.Series(out, dtype=carrier).cast(dtype)

    return pl.map_batches(list(inputs), run, return_dtype=dtype, is_elementwise=True)


def per_column(
    function: Callable[..., pl.Series], *inputs: pl.Expr, returns: DataType, broadcast: bool = True
) -> pl.Expr:
    """`function` called with whole series of one length each."""

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        height = _height(columns)
        full = [c.new_from_index(0, height) if len(c) == 1 and height != 1 else c for c in columns]
        return function(*full if broadcast else columns).cast(returns.polars)

    return pl.map_batches(list(inputs), run, return_dtype=returns.polars, is_elementwise=True)


def staged(inputs: Mapping[str, pl.Expr], *steps: Mapping[str, pl.Expr], returns: DataType) -> pl.Expr:
    """The column ``result`` after all `steps`, each of which sees the columns before it.

    An expression that uses a costly one several times computes it several times, unless the query it ends up
    in is optimised; here each step is computed once, with its common parts shared.
    """

    def run(*columns: pl.Series) -> pl.Series:
        frame = pl.DataFrame(dict(zip(inputs, columns, strict=True))).lazy()
        for step in steps:
            frame = frame.with_columns(**step).collect().lazy()
        return frame.collect()["result"]

    return per_column(run, *inputs.values(), returns=returns)


def _height(columns: Sequence[pl.Series]) -> int:
    lengths = {len(c) for c in columns} - {1}
    return lengths.pop() if lengths else 1


def _spread(values: list[Any], height: int) -> list[Any]:
    return values * height if len(values) == 1 and height != 1 else values


def _identity(column: pl.Series) -> pl.Series:
    """A column whose values are equal only where the originals are the same: 0.0 is not -0.0."""
    if column.dtype == pl.Float64:
        return column.reinterpret(dtype=pl.Int64)
    return column.reinterpret(dtype=pl.Int32) if column.dtype == pl.Float32 else column


def _physical(column: pl.Series) -> pl.Series:
    return column.to_physical() if column.dtype in (pl.Datetime, pl.Date) else column


def when_valid(test: pl.Expr, value: pl.Expr, type_: DataType) -> pl.Expr:
    """`value` where `test` is true, else null."""
    return pl.when(test).then(value).otherwise(null_of(type_))


def days_from_civil(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Days since 1970-01-01 of a proleptic Gregorian date, as Int64; month 1-12, no check of the day.

    Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    """
    y = year.cast(pl.Int64) - (month <= 2).cast(pl.Int64)
    era = y // 400
    year_of_era = y - era * 400
    shifted = (month.cast(pl.Int64) + 9) % 12
    day_of_year = (153 * shifted + 2) // 5 + day.cast(pl.Int64) - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146097 + day_of_era - 719468


def days_in_month(year: pl.Expr, month: pl.Expr) -> pl.Expr:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    return (
        pl.when(month == 2)
        .then(pl.when(leap).then(29).otherwise(28))
        .when(month.is_in([4, 6, 9, 11]))
        .then(30)
        .otherwise(31)
    )


def date_of(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """A date, null where the three make none."""
    valid = month.is_between(1, 12) & (day >= 1) & (day <= days_in_month(year, month))
    days = days_from_civil(year, month, day)
    return pl.when(valid).then(days).otherwise(None).cast(pl.Int32, strict=False).cast(pl.Date)


def micros(timestamp: pl.Expr) -> pl.Expr:
    """Microseconds since the Unix epoch, Int64."""
    return timestamp.to_physical()


def days(date: pl.Expr) -> pl.Expr:
    """Days since the Unix epoch, Int32."""
    return date.to_physical()


def timestamp(us: pl.Expr) -> pl.Expr:
    return us.cast(pl.Int64).cast(pl.Datetime("us", "UTC"))


def date(days_since_epoch: pl.Expr) -> pl.Expr:
    return days_since_epoch.cast(pl.Int32, wrap_numerical=True).cast(pl.Date)


def divided(a: pl.Expr, b: pl.Expr | float) -> pl.Expr:
    """``a / b`` of doubles, rounded once. Polars multiplies by the reciprocal of a scalar divisor, which gives
    3 / 10 = 0.30000000000000004 for several rows and 0.3 for one; a divisor that is a column it divides by.
    """
    column = a.is_null().cast(pl.Float64) * 0.0 + b
    return a / column


def trunc_div(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Integer division towards zero, as Java divides; null where b is 0. The minimum over -1 wraps."""
    q = a // b
    return pl.when((q < 0) & (q * b != a)).then(q + 1).otherwise(q)


def trunc_mod(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """The remainder with the sign of `a`, as in Java; null where b is 0."""
    return a - trunc_div(a, b) * b
