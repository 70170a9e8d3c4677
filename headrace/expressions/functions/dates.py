"""Fields of dates and timestamps, and calendar arithmetic, in UTC."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.coercion import Kind, implicit
from headrace.expressions.columns import (
    MICROS_PER_DAY,
    constant,
    date,
    date_of,
    days,
    days_in_month,
    divided,
    int64,
    micros,
    timestamp,
    trunc_div,
)
from headrace.expressions.intervals import MICROS_OF_UNIT, MONTHS_OF_UNIT, Interval, is_day_time
from headrace.expressions.operators.time import add_months
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import (
    Bool,
    DataType,
    Date,
    Decimal,
    Float64,
    Int8,
    Int32,
    Int64,
    String,
    Timestamp,
)

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "date and time"
MICROS = 1_000_000

_DATE_FIELDS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "year": lambda d: d.dt.year(),
    "month": lambda d: d.dt.month(),
    "quarter": lambda d: d.dt.quarter(),
    "day": lambda d: d.dt.day(),
    "dayofyear": lambda d: d.dt.ordinal_day(),
    "weekday": lambda d: d.dt.weekday().cast(pl.Int32) - 1,
    "dayofweek": lambda d: d.dt.weekday().cast(pl.Int32) % 7 + 1,
    "weekofyear": lambda d: d.dt.week(),
    "yearofweek": lambda d: d.dt.iso_year(),
    "dow_iso": lambda d: d.dt.weekday(),
}
_TIME_FIELDS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "hour": lambda t: t.dt.hour(),
    "minute": lambda t: t.dt.minute(),
    "second": lambda t: t.dt.second(),
}
_NAMES = {"day": ("day", "dayofmonth")}


def _date_field(field: str, x: Value) -> pl.Expr:
    return _DATE_FIELDS[field](x.expr).cast(pl.Int32)


def _time_field(field: str, x: Value) -> pl.Expr:
    return _TIME_FIELDS[field](x.expr).cast(pl.Int32)


for _field in _DATE_FIELDS:
    if _field not in ("yearofweek", "dow_iso"):
        operation(*_NAMES.get(_field, (_field,)), group=GROUP, params=(Date,), returns=Int32)(
            functools.partial(_date_field, _field)
        )
for _field in _TIME_FIELDS:
    operation(_field, group=GROUP, params=(Timestamp,), returns=Int32)(functools.partial(_time_field, _field))

_PARTS = {
    "year": ("year", "y", "years", "yr", "yrs"),
    "yearofweek": ("yearofweek",),
    "quarter": ("quarter", "qtr"),
    "month": ("month", "mon", "mons", "months"),
    "weekofyear": ("week", "w", "weeks"),
    "day": ("day", "d", "days"),
    "dayofweek": ("dayofweek", "dow"),
    "dow_iso": ("dayofweek_iso", "dow_iso"),
    "dayofyear": ("doy",),
    "hour": ("hour", "h", "hours", "hr", "hrs"),
    "minute": ("minute", "m", "min", "mins", "minutes"),
    "second": ("second", "s", "sec", "seconds", "secs"),
}
_PART_OF = {alias: part for part, aliases in _PARTS.items() for alias in aliases}


@operation(
    "date_part",
    "datepart",
    group=GROUP,
    params=(String, Timestamp),
    raw=True,
    result="int; decimal(8,6) for seconds",
    notes="also extract(field from x)",
)
def date_part(binder: Binder, field: Value, x: Value) -> Value:
    part = _PART_OF.get(str(field.known).lower()) if field.constant is not None else None
    if part is None:
        raise binder.mismatch(
            f"`{field.known}` is no field of a time" if field.constant else "the field must be a constant",
            "The fields are: " + ", ".join(a[0] for a in _PARTS.values()) + ".",
        )
    if isinstance(x.type, Interval):
        return _interval_part(binder, part, x)
    if part in _TIME_FIELDS:
        x = _as(binder, "date_part", x, Timestamp)
        if part == "second":
            second = micros(x.expr) % (60 * MICROS)
            return combined(Decimal(8, 6), second.cast(pl.Int128).reinterpret(dtype=pl.Decimal(8, 6)), (x,))
        return combined(Int32, _time_field(part, x), (x,))
    x = _as(binder, "date_part", x, Date)
    return combined(Int32, _date_field(part, x), (x,))


def _as(binder: Binder, name: str, x: Value, t: DataType) -> Value:
    if implicit(x.type, t) is None:
        raise binder.mismatch(f"`{name}` takes {t.spark}, got {x.type.spark}")
    return binder.cast(x, t)


def _interval_part(binder: Binder, part: str, x: Value) -> Value:
    if is_day_time(x.type):
        us = x.expr
        if part == "second":
            second = us - trunc_div(us, int64(60 * MICROS)) * (60 * MICROS)
            return combined(Decimal(8, 6), second.cast(pl.Int128).reinterpret(dtype=pl.Decimal(8, 6)), (x,))
        above = {"hour": MICROS_PER_DAY, "minute": 3600 * MICROS}.get(part)
        if part in ("day", "hour", "minute"):
            inside = us if above is None else us - trunc_div(us, int64(above)) * above
            t = Int32 if part == "day" else Int8
            return combined(t, trunc_div(inside, int64(MICROS_OF_UNIT[part])).cast(t.polars), (x,))
    elif part in ("year", "month"):
        year = trunc_div(x.expr, pl.lit(12, dtype=pl.Int32))
        if part == "year":
            return combined(Int32, year, (x,))
        return combined(Int8, (x.expr - year * 12).cast(pl.Int8), (x,))
    raise binder.mismatch(f"{x.type.spark} has no {part}")


@operation("date_add", "dateadd", group=GROUP, params=(Date, Kind.INT), returns=Date)
def date_add(x: Value, count: Value) -> pl.Expr:
    return date(days(x.expr) + count.expr.cast(pl.Int32))


@operation("date_sub", group=GROUP, params=(Date, Kind.INT), returns=Date)
def date_sub(x: Value, count: Value) -> pl.Expr:
    return date(days(x.expr) - count.expr.cast(pl.Int32))


@operation(
    "datediff",
    "date_diff",
    group=GROUP,
    params=(Date, Date),
    returns=Int32,
    notes="days from the second to the first",
)
def datediff(end: Value, start: Value) -> pl.Expr:
    return days(end.expr) - days(start.expr)


@operation("add_months", group=GROUP, params=(Date, Int32), returns=Date)
def add_months_to(x: Value, count: Value) -> pl.Expr:
    return add_months(x.expr, Date, count.expr)


@operation("last_day", group=GROUP, params=(Date,), returns=Date)
def last_day(x: Value) -> pl.Expr:
    year, month = x.expr.dt.year().cast(pl.Int64), x.expr.dt.month().cast(pl.Int64)
    return date_of(year, month, days_in_month(year, month).cast(pl.Int64))


_WEEKDAYS = {
    name: i
    for i, names in enumerate(
        (("mo", "mon", "monday"), ("tu", "tue", "tuesday"), ("we", "wed", "wednesday"), ("th", "thu", "thursday"),
         ("fr", "fri", "friday"), ("sa", "sat", "saturday"), ("su", "sun", "sunday"))
    )
    for name in names
}  # fmt: skip


@operation("next_day", group=GROUP, params=(Date, String), returns=Date)
def next_day(x: Value, name: Value) -> pl.Expr:
    wanted = (
        name.expr.str.to_lowercase()
        .str.strip_chars(" ")
        .replace_strict(list(_WEEKDAYS), list(_WEEKDAYS.values()), default=None, return_dtype=pl.Int32)
    )
    today = x.expr.dt.weekday().cast(pl.Int32) - 1
    ahead = (wanted - today - 1) % 7 + 1
    return date(days(x.expr) + ahead)


@operation("months_between", group=GROUP, params=(Timestamp, Timestamp, Bool), optional=1, returns=Float64)
def months_between(end: Value, start: Value, rounded: Value | None = None) -> pl.Expr:
    """Whole months where both are the same day of the month or both its last; else by months of 31 days."""
    a, b = end.expr, start.expr
    month = [x.dt.year().cast(pl.Int64) * 12 + x.dt.month().cast(pl.Int64) for x in (a, b)]
    day = [x.dt.day().cast(pl.Int64) for x in (a, b)]
    last = [
        days_in_month(x.dt.year().cast(pl.Int64), x.dt.month().cast(pl.Int64)).cast(pl.Int64) for x in (a, b)
    ]
    whole = (month[0] - month[1]).cast(pl.Float64)
    second = [(micros(x) // MICROS) % 86_400 for x in (a, b)]
    seconds = ((day[0] - day[1]) * 86_400 + second[0] - second[1]).cast(pl.Float64)
    even = (day[0] == day[1]) | ((day[0] == last[0]) & (day[1] == last[1]))
    exact = whole + divided(seconds, 31.0 * 86_400.0)
    near = divided((exact * 1e8).round(0, mode="half_away_from_zero"), 1e8)
    fraction = near if rounded is None else pl.when(rounded.expr).then(near).otherwise(exact)
    missing = a.is_null() | b.is_null() | (pl.lit(False) if rounded is None else rounded.expr.is_null())
    return pl.when(missing).then(None).when(even).then(whole).otherwise(fraction)


@operation("make_date", group=GROUP, params=(Int32, Int32, Int32), returns=Date)
def make_date(year: Value, month: Value, day: Value) -> pl.Expr:
    return date_of(*(v.expr.cast(pl.Int64) for v in (year, month, day)))


@operation(
    "make_timestamp",
    group=GROUP,
    params=(Int32, Int32, Int32, Int32, Int32, Decimal(16, 6)),
    returns=Timestamp,
)
def make_timestamp(
    year: Value, month: Value, day: Value, hour: Value, minute: Value, second: Value
) -> pl.Expr:
    at = days(date_of(*(v.expr.cast(pl.Int64) for v in (year, month, day)))).cast(pl.Int64)
    h, m, us = hour.expr.cast(pl.Int64), minute.expr.cast(pl.Int64), second.expr.to_physical().cast(pl.Int64)
    valid = h.is_between(0, 23) & m.is_between(0, 59) & us.is_between(0, 60 * MICROS)
    valid = valid & (us // MICROS < 60) | (us == 60 * MICROS) & h.is_between(0, 23) & m.is_between(0, 59)
    return timestamp(pl.when(valid).then(at * MICROS_PER_DAY + (h * 60 + m) * 60 * MICROS + us))


_TRUNCATED_DATE = {
    **dict.fromkeys(("year", "yyyy", "yy"), "1y"),
    "quarter": "1q",
    **dict.fromkeys(("month", "mm", "mon"), "1mo"),
    "week": "1w",
}
_TRUNCATED_TIME = {
    **_TRUNCATED_DATE,
    **dict.fromkeys(("day", "dd"), "1d"),
    "hour": "1h",
    "minute": "1m",
    "second": "1s",
    "millisecond": "1ms",
    "microsecond": "1us",
}


def _truncated(x: pl.Expr, unit: Value, units: dict[str, str], t: DataType) -> pl.Expr:
    if unit.constant is not None:
        every = units.get(str(unit.known).lower())
        return constant(None, t) if every is None else x.dt.truncate(every)
    names: dict[str, list[str]] = {}
    for name, every in units.items():
        names.setdefault(every, []).append(name)
    word = unit.expr.str.to_lowercase()
    branches = [pl.when(word.is_in(ns)).then(x.dt.truncate(every)) for every, ns in names.items()]
    return pl.coalesce(branches)


@operation(
    "date_trunc", group=GROUP, params=(String, Timestamp), returns=Timestamp, notes="null for an unknown unit"
)
def date_trunc(unit: Value, x: Value) -> pl.Expr:
    return _truncated(x.expr, unit, _TRUNCATED_TIME, Timestamp)


@operation("trunc", group=GROUP, params=(Date, String), returns=Date, notes="null for an unknown unit")
def trunc(x: Value, unit: Value) -> pl.Expr:
    return _truncated(x.expr, unit, _TRUNCATED_DATE, Date)


def _unit(binder: Binder, name: str, unit: Value) -> str:
    word = str(unit.known).lower()
    known = {*MICROS_OF_UNIT, *MONTHS_OF_UNIT, "quarter"}
    if word == "dayofyear":
        word = "day"
    if unit.constant is None or word not in known:
        raise binder.mismatch(
            f"`{word}` is no unit of `{name}`", "The units are: " + ", ".join(sorted(known)) + "."
        )
    return word


@operation("timestampadd", group=GROUP, params=(String, Int32, Timestamp), raw=True, result="timestamp")
def timestampadd(binder: Binder, unit: Value, count: Value, x: Value) -> Value:
    word = _unit(binder, "timestampadd", unit)
    x, count = _as(binder, "timestampadd", x, Timestamp), _as(binder, "timestampadd", count, Int32)
    months = {"year": 12, "quarter": 3, "month": 1}.get(word)
    if months is not None:
        return combined(
            Timestamp, add_months(x.expr, Timestamp, count.expr.cast(pl.Int64) * months), (x, count)
        )
    moved = micros(x.expr) + count.expr.cast(pl.Int64) * MICROS_OF_UNIT[word]
    return combined(Timestamp, timestamp(moved), (x, count))


@operation(
    "timestampdiff",
    group=GROUP,
    params=(String, Timestamp, Timestamp),
    raw=True,
    result="bigint",
    notes="whole units from the first to the second",
)
def timestampdiff(binder: Binder, unit: Value, start: Value, end: Value) -> Value:
    word = _unit(binder, "timestampdiff", unit)
    start, end = (_as(binder, "timestampdiff", v, Timestamp) for v in (start, end))
    a, b = micros(start.expr), micros(end.expr)
    months = {"year": 12, "quarter": 3, "month": 1}.get(word)
    if months is None:
        return combined(Int64, trunc_div(b - a, int64(MICROS_OF_UNIT[word])), (start, end))
    between = trunc_div(_months32(end.expr, start.expr) - _months32(start.expr), int64(32))
    return combined(Int64, trunc_div(between, int64(months)), (start, end))


def _months32(x: pl.Expr, start: pl.Expr | None = None) -> pl.Expr:
    """Months times 32 plus days, as java.time counts months between two dates; an end whose time of day has not
    yet come counts as the day before it (or after it, going back)."""
    day = micros(x) // MICROS_PER_DAY
    if start is not None:
        time, before = micros(x) % MICROS_PER_DAY, micros(start) % MICROS_PER_DAY
        other = micros(start) // MICROS_PER_DAY
        step = pl.when((day > other) & (time < before)).then(-1).when((day < other) & (time > before)).then(1)
        day = day + step.otherwise(0)
    on = date(day)
    return (on.dt.year().cast(pl.Int64) * 12 + on.dt.month()) * 32 + on.dt.day()


for _name, _per in (("unix_seconds", MICROS), ("unix_millis", 1000), ("unix_micros", 1)):
    operation(_name, group=GROUP, params=(Timestamp,), returns=Int64)(
        lambda x, _per=_per: micros(x.expr) // _per
    )


@operation("unix_date", group=GROUP, params=(Date,), returns=Int32)
def unix_date(x: Value) -> pl.Expr:
    return days(x.expr)


@operation("date_from_unix_date", group=GROUP, params=(Int32,), returns=Date)
def date_from_unix_date(x: Value) -> pl.Expr:
    return date(x.expr)


def _from_unit(per: int, x: Value) -> pl.Expr:
    return timestamp(x.expr.cast(pl.Int64) * per)


for _name, _per in (("timestamp_millis", 1000), ("timestamp_micros", 1)):
    operation(_name, group=GROUP, params=(Int64,), returns=Timestamp)(functools.partial(_from_unit, _per))


@operation(
    "timestamp_seconds",
    group=GROUP,
    params=((Int64, Int32, Float64, Decimal(20, 6)),),
    raw=True,
    result="timestamp",
)
def timestamp_seconds(binder: Binder, x: Value) -> Value:
    if not isinstance(x.type, Decimal) and implicit(x.type, Float64) is None:
        raise binder.mismatch(f"`timestamp_seconds` takes a number, got {x.type.spark}")
    x = binder.cast(x, Float64) if x.type == String else x
    return binder.cast(x, Timestamp)
