"""Spark's two interval types, which live only inside expressions.

A day-time interval is carried as Int64 microseconds, a year-month interval as Int32 months. A feature or
column cannot be one: `compile_expression` refuses an expression whose result is an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from headrace.types import DataType, Primitive

MICROS_PER_SECOND = 1_000_000
MICROS_PER_DAY = 86_400 * MICROS_PER_SECOND


@dataclass(frozen=True)
class Interval(Primitive):
    """`name` is Spark's own name of the type, such as ``interval day to second``."""

    @property
    def spark(self) -> str:
        return self.name

    @property
    def polars(self) -> pl.DataType:
        return pl.Int32() if is_year_month(self) else pl.Int64()

    @property
    def arrow(self) -> pa.DataType:
        return pa.int32() if is_year_month(self) else pa.int64()


YEAR_MONTH_UNITS = ("year", "month")
DAY_TIME_UNITS = ("day", "hour", "minute", "second")

MICROS_OF_UNIT = {
    "week": 7 * MICROS_PER_DAY,
    "day": MICROS_PER_DAY,
    "hour": 3_600 * MICROS_PER_SECOND,
    "minute": 60 * MICROS_PER_SECOND,
    "second": MICROS_PER_SECOND,
    "millisecond": 1_000,
    "microsecond": 1,
}
MONTHS_OF_UNIT = {"year": 12, "month": 1}


def year_month(start: str = "year", end: str = "month") -> Interval:
    return Interval(f"interval {start}" if start == end else f"interval {start} to {end}")


def day_time(start: str = "day", end: str = "second") -> Interval:
    return Interval(f"interval {start}" if start == end else f"interval {start} to {end}")


def is_year_month(t: DataType) -> bool:
    return isinstance(t, Interval) and t.name.split()[1] in YEAR_MONTH_UNITS


def is_day_time(t: DataType) -> bool:
    return isinstance(t, Interval) and t.name.split()[1] in DAY_TIME_UNITS


def bounds(t: Interval) -> tuple[str, str]:
    """First and last unit of an interval type."""
    words = t.name.split()
    return words[1], words[-1]


def span(a: Interval, b: Interval) -> Interval:
    """The narrowest interval type of the same kind that has the units of both."""
    units = YEAR_MONTH_UNITS if is_year_month(a) else DAY_TIME_UNITS
    picks = [units.index(u) for t in (a, b) for u in bounds(t)]
    make = year_month if is_year_month(a) else day_time
    return make(units[min(picks)], units[max(picks)])
