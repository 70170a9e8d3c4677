"""A sort by small numbers, written for numba: one pass that counts, one that places.

Plain loops over arrays, in numba's part of Python; too slow to be called uncompiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.native import Native


def place(entity: Any, time: Any, order: Any, n: int, at: Any) -> int:
    """Fill `at` with positions that sort by `entity` (0 to n), equal ones as they stand.

    Gives how many of them come before one of their entity that stands earlier, by (time, order).
    """
    begin = np.zeros(n + 1, np.int64)
    for i in range(len(entity)):
        begin[entity[i] + 1] += 1
    for e in range(n):
        begin[e + 1] += begin[e]
    last = np.full(n, -1, np.int64)
    wrong = 0
    for i in range(len(entity)):
        e = entity[i]
        before = last[e]
        last[e] = i
        if before >= 0 and (time[i] < time[before] or (time[i] == time[before] and order[i] < order[before])):
            wrong += 1
        at[begin[e]] = i
        begin[e] += 1
    return wrong


_COLUMN = "Array(int64, 1, 'C', readonly=True)"
PLACE = Native(place, f"int64({_COLUMN}, {_COLUMN}, {_COLUMN}, int64, int64[::1])")
