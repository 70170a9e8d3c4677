"""Casts from string to date and timestamp (Spark's stringToDate and stringToTimestamp), time zone UTC.

A date is ``[+-]yyyy[-[m]m[-[d]d[ anything or Tanything]]]``; a timestamp may go on with
``[h]h[:[m]m[:[s]s[.fraction][zone]]]``. Anything else is null. One departure: a time without a date, which
Spark puts on the current day, is null, since a value may not depend on when it is computed.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo

import polars as pl

from headrace.expressions.cast.text_to_number import CONTROL, WHITE
from headrace.expressions.columns import MICROS_PER_DAY, date_of, days, per_value, staged, timestamp
from headrace.types import Date, Int64, Timestamp

_DATE = r"^([+-]?)([0-9]{4,7})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](?s:.*))?)?)?$"
_TIMESTAMP = (
    r"^([+-]?)([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})"
    r"(?:[ T]([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]*))?"
    r"([^0-9.](?s:.*))?)?)?)?)?)?$"
)
_OFFSET = r"^(?:UTC|GMT|UT)?([+-])([0-9]{1,2})(?::?([0-9]{1,2}))?(?::?([0-9]{2}))?$"
_SHORT_IDS = {
    "ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo", "AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka",
    "CAT": "Africa/Harare", "CNT": "America/St_Johns", "CST": "America/Chicago", "CTT": "Asia/Shanghai",
    "EAT": "Africa/Addis_Ababa", "ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "MIT": "Pacific/Apia", "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland", "PLT": "Asia/Karachi", "PNT": "America/Phoenix", "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal", "VST": "Asia/Ho_Chi_Minh",
    "EST": "-05:00", "MST": "-07:00", "HST": "-10:00",
}  # fmt: skip
MAX_OFFSET = 18 * 3600


def to_date(text: pl.Expr) -> pl.Expr:
    parts = pl.col("text").str.strip_chars(WHITE).str.extract_groups(_DATE)
    sign, year, month, day = (pl.col("parts").struct.field(str(i)) for i in (1, 2, 3, 4))
    return staged({"text": text}, {"parts": parts}, {"result": _date(sign, year, month, day)}, returns=Date)


def _date(sign: pl.Expr, year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    y = year.cast(pl.Int64, strict=False)
    y = pl.when(sign == "-").then(-y).otherwise(y)
    return date_of(y, _or(month, 1), _or(day, 1))


def _or(digits: pl.Expr, default: int) -> pl.Expr:
    return digits.cast(pl.Int64, strict=False).fill_null(default)


def to_timestamp(text: pl.Expr) -> pl.Expr:
    parts = pl.col("text").str.strip_chars(WHITE).str.extract_groups(_TIMESTAMP)
    sign, year, month, day, hour, minute, second, fraction, zone = (
        pl.col("parts").struct.field(str(i)) for i in range(1, 10)
    )
    date = _date(sign, year, month, day)
    h, m, s = _or(hour, 0), _or(minute, 0), _or(second, 0)
    us = _or((fraction.fill_null("") + "000000").str.slice(0, 6), 0)
    valid = (h < 24) & (m < 60) & (s < 60) & (year.cast(pl.Int64, strict=False) <= 290_000)
    local = days(date).cast(pl.Int64) * MICROS_PER_DAY + ((h * 60 + m) * 60 + s) * 1_000_000 + us
    return staged(
        {"text": text},
        {"parts": parts},
        {"local": pl.when(valid).then(local).otherwise(None), "zone": zone.str.strip_chars(CONTROL)},
        {"offset": pl.col("zone").str.extract_groups(_OFFSET)},
        {"result": timestamp(pl.col("local") - _offset(pl.col("zone"), pl.col("local")) * 1_000_000)},
        returns=Timestamp,
    )


def _offset(zone: pl.Expr, local: pl.Expr) -> pl.Expr:
    """Seconds east of UTC; null for a zone that is none. Its parts are in the column ``offset``."""
    sign, h, m, s = (pl.col("offset").struct.field(str(i)) for i in (1, 2, 3, 4))
    seconds = (_or(h, 0) * 60 + _or(m, 0)) * 60 + _or(s, 0)
    seconds = pl.when((seconds <= MAX_OFFSET) & (_or(m, 0) < 60) & (_or(s, 0) < 60)).then(seconds)
    is_utc = zone.is_null() | zone.is_in(["", "Z", "z", "UTC", "GMT", "UT"])
    named = pl.when(is_utc | sign.is_not_null()).then(None).otherwise(zone)
    return (
        pl.when(is_utc)
        .then(pl.lit(0, dtype=pl.Int64))
        .when(sign == "-")
        .then(-seconds)
        .when(sign == "+")
        .then(seconds)
        .otherwise(per_value(zone_offset, named, local, returns=Int64))
    )


def zone_offset(zone: str, local_micros: int) -> int | None:
    """Seconds east of UTC of a named zone at a local time; None for an unknown name.

    In a gap the time moves on by the gap's length; in an overlap the earlier offset holds (java.time).
    """
    name = _SHORT_IDS.get(zone, zone)
    fixed = re.fullmatch(r"([+-])(\d\d):(\d\d)", name)
    if fixed:
        return (1 if fixed[1] == "+" else -1) * (int(fixed[2]) * 60 + int(fixed[3])) * 60
    try:
        info = zoneinfo.ZoneInfo(name)
        local = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=local_micros)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OverflowError, OSError):
        return None
    offset = local.replace(tzinfo=info).utcoffset()
    return None if offset is None else int(offset.total_seconds())
