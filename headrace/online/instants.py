"""Columns of instants as text, fast: owns the timestamp form of the online store and nothing of the types.

An instant is ``2026-11-21T07:40:00.123456Z``: 27 characters for every year from 1 to 9999. Beyond those years
the form is ISO 8601's expanded one (``+10000-01-01T00:00:00.000000Z``), so that writing never fails.
"""

from __future__ import annotations

from functools import cache, lru_cache

import polars as pl

from headrace.durations import DAY, SECOND

FIRST = -62_135_596_800 * SECOND
"""0001-01-01T00:00:00Z in microseconds: the first instant of 27 characters."""
END = 253_402_300_800 * SECOND
"""10000-01-01T00:00:00Z in microseconds: the first instant after those of 27 characters."""

INSTANT_LENGTH = 27
"""Characters (and bytes) of an instant between `FIRST` and `END`."""

_MANY_DAYS = 500
_FORM = "%Y-%m-%dT%H:%M:%S%.6fZ"


def instant_pieces(us: pl.Series) -> list[pl.Series]:
    """String columns that, joined row by row, are the text of a column of microseconds (Int64, UTC).

    Pieces instead of texts save a copy where the text is only a part of something longer. Null stays null.
    """
    low, high = us.min(), us.max()
    if low is None or low < FIRST or high >= END:  # type: ignore[operator]
        return [us.cast(pl.Datetime("us", "UTC")).dt.to_string(_FORM)]
    day = us // DAY
    of_day = us - day * DAY
    second = of_day // SECOND
    micro = of_day - second * SECOND
    milli = micro // 1_000
    first = day.min()
    days_from_first = day - first
    if (days_from_first > _MANY_DAYS).any():
        date = day.cast(pl.Int32).cast(pl.Date).cast(pl.String)
    else:
        date = _dates(first).gather(days_from_first)  # type: ignore[arg-type]
    return [
        date,
        _seconds_of_day().gather(second),
        _thousand("", "").gather(milli),
        _thousand("", "Z").gather(micro - milli * 1_000),
    ]


def instant_text(us: pl.Series) -> pl.Series:
    """The text of a column of microseconds since the Unix epoch (Int64, UTC); null stays null."""
    pieces = instant_pieces(us)
    if len(pieces) == 1:
        return pieces[0].alias(us.name)
    return pl.select(pl.concat_str(pieces)).to_series().alias(us.name)


@lru_cache(maxsize=64)
def _dates(first: int) -> pl.Series:
    """The dates of `_MANY_DAYS` days and one more, from a day since the epoch on."""
    days = pl.int_range(first, first + _MANY_DAYS + 1, dtype=pl.Int64, eager=True)
    return days.cast(pl.Int32).cast(pl.Date).cast(pl.String)


@cache
def _seconds_of_day() -> pl.Series:
    seconds = pl.int_range(0, 86_400, dtype=pl.Int64, eager=True)
    return (seconds * SECOND).cast(pl.Datetime("us")).dt.to_string("T%H:%M:%S.")


@cache
def _thousand(before: str, after: str) -> pl.Series:
    return pl.Series([f"{before}{n:03d}{after}" for n in range(1_000)])
