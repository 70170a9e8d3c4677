"""The fold of rows of stacks, written for numba: each group's rows become one, whatever slots they have.

Plain loops over arrays, in numba's part of Python; too slow to be called uncompiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.aggregates.algebra import ADD, CARRY, FLOAT, LEAST
from headrace.native import Native

ALONE, BLOCK = 8, 128  # NumPy's pairwise sum: plain below the one, eight sums up to the other, halved above


def fold(
    words: Any, floats: Any, order: Any, starts: Any, masks: int, program: Any, out: Any, floats_out: Any
) -> int:
    """Group i are the rows ``order[starts[i]:starts[i + 1]]`` of `words`; its fold is row i of `out`.

    `floats` and `floats_out` are the same memory as doubles. `program` has a row for each word: how it is folded, and
    which it is. Words without one are the first row's; of the first `masks` words all bits are kept. Doubles are added
    in the order of NumPy's `add.reduceat`, so that a sum has the same bits either way.
    """
    width = words.shape[1]
    eight = np.empty(8)
    parts = np.empty(64)
    todo = np.empty(64, np.int64)
    for g in range(len(starts)):
        a = starts[g]
        b = starts[g + 1] if g + 1 < len(starts) else len(order)
        for k in range(width):
            out[g, k] = words[order[a], k]
        if b == a + 1:
            continue
        for j in range(a + 1, b):
            for k in range(masks):
                out[g, k] |= words[order[j], k]
        for p in range(len(program)):
            how = program[p, 0]
            k = program[p, 1]
            if how == FLOAT:
                n = b - a - 1
                if n < ALONE:
                    total = floats[order[a + 1], k]
                    for j in range(a + 2, b):
                        total += floats[order[j], k]
                else:
                    done = a + 1
                    waiting = 1
                    todo[0] = n
                    have = 0
                    while waiting > 0:
                        waiting -= 1
                        n = todo[waiting]
                        if n < 0:  # both halves are there
                            have -= 1
                            parts[have - 1] += parts[have]
                        elif n > BLOCK:
                            half = n // 2
                            half -= half % 8
                            todo[waiting] = -1
                            todo[waiting + 1] = n - half
                            todo[waiting + 2] = half
                            waiting += 3
                        else:
                            if n < ALONE:
                                total = -0.0
                                even = 0
                            else:
                                even = n - n % 8
                                for j in range(8):
                                    eight[j] = floats[order[done + j], k]
                                for j in range(8, even):
                                    eight[j % 8] += floats[order[done + j], k]
                                total = ((eight[0] + eight[1]) + (eight[2] + eight[3])) + (
                                    (eight[4] + eight[5]) + (eight[6] + eight[7])
                                )
                            for j in range(even, n):
                                total += floats[order[done + j], k]
                            parts[have] = total
                            have += 1
                            done += n
                    total = parts[0]
                floats_out[g, k] = floats[order[a], k] + total
            else:
                value = words[order[a], k]
                if how in (ADD, CARRY):
                    for j in range(a + 1, b):
                        value += words[order[j], k]
                elif how == LEAST:
                    for j in range(a + 1, b):
                        value = min(value, words[order[j], k])
                else:
                    for j in range(a + 1, b):
                        value = max(value, words[order[j], k])
                out[g, k] = value
        for p in range(len(program) - 1, -1, -1):
            if program[p, 0] == CARRY:
                k = program[p, 1]
                out[g, k - 1] += out[g, k] >> 32
                out[g, k] &= 0xFFFFFFFF
    return len(starts)


FOLD = Native(
    fold,
    "int64(int64[:, ::1], float64[:, ::1], int64[::1], int64[::1], int64, int64[:, ::1], int64[:, ::1], "
    "float64[:, ::1])",
)
