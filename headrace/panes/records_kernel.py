"""Rows of records, out of their words and into them, written for numba: whole rows, record by record.

Plain loops over arrays, in numba's part of Python; uncompiled they serve flushes of a few entities alone.
"""

from __future__ import annotations

from typing import Any

from headrace.native import Native


def gather(words: Any, at: Any, count: Any, record: Any, mark: Any, out: Any) -> int:
    """Read `count[r]` rows that begin at `at[r]` for every record r; gives how many.

    `out` (rows x words of a row) receives them without their marks, which `mark` does, `record` their record.
    """
    width = out.shape[1]
    n = 0
    for r in range(len(at)):
        p = at[r]
        for _ in range(count[r]):
            record[n] = r
            mark[n] = words[p] >> 32
            out[n, 0] = words[p] & 0xFFFFFFFF
            for k in range(1, width):
                out[n, k] = words[p + k]
            p += width
            n += 1
    return n


def scatter(rows: Any, record: Any, mark: Any, at: Any, words: Any) -> int:
    """Write each row with its mark, those of record r (ascending) one after the other from `at[r]` on."""
    width = rows.shape[1]
    last = -1
    p = 0
    for n in range(len(rows)):
        if record[n] != last:
            last = record[n]
            p = at[last]
        words[p] = rows[n, 0] | (mark[n] << 32)
        for k in range(1, width):
            words[p + k] = rows[n, k]
        p += width
    return len(rows)


GATHER = Native(
    gather,
    "int64(Array(int64, 1, 'C', readonly=True), int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1])",
)
SCATTER = Native(scatter, "int64(int64[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1])")
