"""Sessions over sorted events: which events count for them, and the range of them that a window shows as of T."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.panes.intervals import begins
from headrace.panes.progress import recorded
from headrace.windows import Window

Ints = NDArray[np.int64]


def counted(rows: pl.DataFrame, window: Window, lateness: int) -> pl.DataFrame:
    """The rows that are not too late for their own record, a rule of session windows alone (spec section 3).

    `rows` have ``_event_time`` and ``_timestamp``, both in microseconds.
    """
    at_most = (window.gap or 0) + lateness
    return rows.filter(recorded(rows) - rows["_event_time"] <= at_most)


def bounds(
    window: Window, entity: Ints, time: Ints, low: Ints, high: Ints, at: Ints, lateness: int
) -> tuple[Ints, Ints]:
    """The events ``first <= i < end`` of the session that each row shows; empty where there is none.

    Events are sorted by (entity, time); ``low <= i < high`` are those of the row's entity that are known as of `at`.
    """
    gap, n = window.gap or 0, len(time)
    if n == 0:
        return low, low
    starts = np.flatnonzero(begins(entity, time, time, gap))
    ends = np.append(starts[1:], n)
    last = np.maximum(high - 1, 0)
    number = np.searchsorted(starts, last, side="right") - 1  # the session of the newest known event
    end, shown = high, high > low
    over = time[last] + (gap + (lateness if window.closed else 0)) <= at
    if not window.closed:
        shown &= ~over
    else:
        number = np.where(over, number, number - 1)
        ended = np.zeros(len(at), "?")
        while True:  # back to the newest that has ended for good; those before the newest are known whole
            there = shown & (number >= 0) & (ends[number] > low)
            ended = there & (time[ends[number] - 1] + (gap + lateness) <= at) | over & shown
            if not (again := there & ~ended).any():
                break
            number = np.where(again, number - 1, number)
        end, shown = np.where(over, high, ends[number]), ended
    first = np.maximum(low, starts[number])
    return np.where(shown, first, low), np.where(shown, end, low)
