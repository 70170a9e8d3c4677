"""Columns of instants as text, fast: owns the timestamp form of the online store and nothing of the types.

An instant is ``2026-11-21T07:40:00.123456Z``: 27 characters for every year from 1 to 9999. Beyond those years
the form is ISO 8601's expanded one (``+10000-01-01T00:00:00.000000Z``), so that writing never fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache, lru_cache

import numpy as np
import polars as pl

from headrace.arrow import Ints
from headrace.durations import DAY, SECOND

FIRST = -62_135_596_800 * SECOND
"""0001-01-01T00:00:00Z in microseconds: the first instant of 27 characters."""
END = 253_402_300_800 * SECOND
"""10000-01-01T00:00:00Z in microseconds: the first instant after those of 27 characters."""

INSTANT_LENGTH = 27
"""Characters (and bytes) of an instant between `FIRST` and `END`."""

_MANY_DAYS = 500
_EPOCH = datetime(1970, 1, 1)
_FORM = "%Y-%m-%dT%H:%M:%S%.6fZ"


def instant_lookups(us: Ints) -> list[tuple[pl.Series, Ints]]:
    """The text of microseconds (UTC, all between `FIRST` and `END`) as lookups: tables of pieces, and which entry of
    each table an instant has; joined row by row they are the text.

    Lookups instead of texts save a copy where the text is only a part of something longer.
    """
    day, of_day = np.divmod(us, DAY)
    second, micro = np.divmod(of_day, SECOND)
    milli, rest = np.divmod(micro, 1_000)
    first = int(day.min()) if len(day) else 0
    if len(day) and int(day.max()) - first > _MANY_DAYS:
        known, index = np.unique(day, return_inverse=True)
        dates = pl.Series(known).cast(pl.Int32).cast(pl.Date).cast(pl.String)
    else:
        dates, index = _dates(first), day - first
    return [
        (dates, index),
        (_seconds_of_day(), second),
        (_thousand("", ""), milli),
        (_thousand("", "Z"), rest),
    ]


def instant_text(us: pl.Series) -> pl.Series:
    """The text of a column of microseconds since the Unix epoch (Int64, UTC); null stays null."""
    low, high = us.min(), us.max()
    if low is None or low < FIRST or high >= END or us.null_count():  # type: ignore[operator]
        return us.cast(pl.Datetime("us", "UTC")).dt.to_string(_FORM).alias(us.name)
    pieces = [table[index] for table, index in instant_lookups(us.to_numpy())]
    return pl.select(pl.concat_str(pieces)).to_series().alias(us.name)


def instant(us: int) -> str:
    """The text of one instant between `FIRST` and `END` (us since the epoch, UTC)."""
    return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds") + "Z"


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
