"""A sort of rows by entity, time and order, written for numba: one pass that counts, one that places.

Plain loops over arrays, in numba's part of Python; too slow to be called uncompiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.native import Native

FAR = 8
"""Moves a row, on average, beyond which another sort is better."""


def place(entity: Any, time: Any, order: Any, n: int, at: Any) -> int:
    """Fill `at` with the positions that sort rows by (entity, time, order); entities are 0 to n.

    Made for rows that mostly come in order of time: each moves before those of its entity that are later. Gives how
    many moves that took, or -1 for more than FAR a row: then `at` means nothing.
    """
    begin = np.zeros(n + 1, np.int64)
    for i in range(len(entity)):
        begin[entity[i] + 1] += 1
    for e in range(n):
        begin[e + 1] += begin[e]
    end = begin[:n].copy()
    moves = 0
    for i in range(len(entity)):
        e = entity[i]
        p = end[e]
        while p > begin[e]:
            before = at[p - 1]
            if time[before] < time[i] or (time[before] == time[i] and order[before] <= order[i]):
                break
            at[p] = before
            p -= 1
            moves += 1
        if moves > FAR * len(entity):
            return -1
        at[p] = i
        end[e] += 1
    return moves


_COLUMN = "Array(int64, 1, 'C', readonly=True)"
PLACE = Native(place, f"int64({_COLUMN}, {_COLUMN}, {_COLUMN}, int64, int64[::1])")
