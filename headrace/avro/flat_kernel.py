"""The walk over runs of plain fields, written for numba: one pass, every datum within its own bytes.

Plain loops over arrays, in numba's part of Python; too slow to be called uncompiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.native import Native

VARINT, BYTES, TEXT, FIXED, BOOLEAN, WIDE4, WIDE8 = range(7)
"""Kinds of a field: int, long or enum; bytes; string; fixed; boolean; float; double."""

SHORT, LONG_VARINT, NEGATIVE, NO_BRANCH, NO_BOOLEAN, NO_SYMBOL, NOT_UTF8 = range(1, 8)
"""Faults. A datum's is eight times its field's row, all writers' programs counted through, plus one of these."""


def flat_walk(
    data: Any,
    at: Any,
    end: Any,
    writer: Any,
    program: Any,
    count: Any,
    numbers: Any,
    views: Any,
    there: Any,
    fault: Any,
) -> int:
    """Read one run of fields at `at[i]`, up to `end[i]`, of every datum i; gives the number of faulty ones.

    `program[w]` and its length `count[w]`, for datums i whose `writer[i]` is w, a row a field: its kind; the size of a
    fixed or the count of an enum's symbols (else 0); the index of its null branch (-1: no union); its row in `numbers`
    or, for bytes, text and fixed, in `views`; its row in `there`, or -1. `numbers` receives integers, or the bits of
    floats. `views` receives Arrow's binary views into `data` (two words each: length and the first four bytes, then
    either eight more or buffer 0 and the position). `at` moves behind the run, or to the end of a faulty datum.
    Outputs come zeroed.
    """
    faulty = 0
    size = len(data)
    for i in range(len(at)):
        p = at[i]
        stop = min(end[i], size)
        wrong = 0
        w = writer[i]
        for field in range(count[w]):
            kind = program[w, field, 0]
            bound = program[w, field, 1]
            null = program[w, field, 2]
            out = program[w, field, 3]
            if null >= 0:
                if p >= stop:
                    wrong = SHORT
                elif data[p] == 2 * null:
                    p += 1
                    continue
                elif data[p] == 2 * (1 - null):
                    p += 1
                    there[program[w, field, 4], i] = 1
                else:  # a tag in more than one byte is possible, if odd: its value decides
                    raw = np.uint64(0)
                    shift = np.uint64(0)
                    more = True
                    while more and wrong == 0:
                        if p >= stop:
                            wrong = SHORT
                        elif shift > np.uint64(63):
                            wrong = LONG_VARINT
                        else:
                            byte = np.uint64(data[p])
                            p += 1
                            raw |= (byte & np.uint64(0x7F)) << shift
                            shift += np.uint64(7)
                            more = bool(byte >= np.uint64(128))
                    if wrong == 0:
                        if raw == np.uint64(2 * null):
                            continue
                        if raw == np.uint64(2 * (1 - null)):
                            there[program[w, field, 4], i] = 1
                        else:
                            wrong = NO_BRANCH
            value = np.int64(bound)  # a fixed's length is known
            if wrong == 0 and kind <= TEXT:
                raw = np.uint64(0)
                shift = np.uint64(0)
                more = True
                while more and wrong == 0:
                    if p >= stop:
                        wrong = SHORT
                    elif shift > np.uint64(63):
                        wrong = LONG_VARINT
                    else:
                        byte = np.uint64(data[p])
                        p += 1
                        raw |= (byte & np.uint64(0x7F)) << shift
                        shift += np.uint64(7)
                        more = bool(byte >= np.uint64(128))
                value = np.int64(raw >> np.uint64(1)) ^ -np.int64(raw & np.uint64(1))
            if wrong == 0:
                if kind == VARINT:
                    if bound > 0 and (value < 0 or value >= bound):
                        wrong = NO_SYMBOL
                    else:
                        numbers[out, i] = value
                elif kind <= FIXED:
                    if value < 0:
                        wrong = NEGATIVE
                    elif value > stop - p:
                        wrong = SHORT
                    else:
                        if kind == TEXT:
                            high = np.uint8(0)
                            for j in range(p, p + value):
                                high |= data[j]
                            if high >= 128:
                                j = p
                                last = p + value
                                while j < last and wrong == 0:
                                    c = data[j]
                                    if c < 0x80:
                                        j += 1
                                        continue
                                    # The bounds of the second byte shut out overlong forms, surrogates and
                                    # what lies beyond U+10FFFF (Unicode, table 3-7).
                                    low = np.uint8(0x80)
                                    top = np.uint8(0xBF)
                                    n = 0
                                    if 0xC2 <= c <= 0xDF:
                                        n = 1
                                    elif 0xE0 <= c <= 0xEF:
                                        n = 2
                                        if c == 0xE0:
                                            low = np.uint8(0xA0)
                                        elif c == 0xED:
                                            top = np.uint8(0x9F)
                                    elif 0xF0 <= c <= 0xF4:
                                        n = 3
                                        if c == 0xF0:
                                            low = np.uint8(0x90)
                                        elif c == 0xF4:
                                            top = np.uint8(0x8F)
                                    if n == 0 or j + n >= last or data[j + 1] < low or data[j + 1] > top:
                                        wrong = NOT_UTF8
                                    else:
                                        for k in range(2, n + 1):
                                            if data[j + k] < 0x80 or data[j + k] > 0xBF:
                                                wrong = NOT_UTF8
                                    j += n + 1
                        if wrong == 0:
                            first = np.uint64(value)
                            for j in range(4 if value > 4 else value):
                                first |= np.uint64(data[p + j]) << np.uint64(32 + 8 * j)
                            second = np.uint64(0)
                            if value > 12:
                                second = np.uint64(p) << np.uint64(32)
                            else:
                                for j in range(4, value):
                                    second |= np.uint64(data[p + j]) << np.uint64(8 * j - 32)
                            views[out, 2 * i] = first
                            views[out, 2 * i + 1] = second
                        p += value
                elif kind == BOOLEAN:
                    if p >= stop:
                        wrong = SHORT
                    elif data[p] > 1:
                        wrong = NO_BOOLEAN
                    else:
                        numbers[out, i] = data[p]
                        p += 1
                else:
                    width = 4 if kind == WIDE4 else 8
                    if stop - p < width:
                        wrong = SHORT
                    else:
                        bits = np.uint64(0)
                        for j in range(width):
                            bits |= np.uint64(data[p + j]) << np.uint64(8 * j)
                        numbers[out, i] = np.int64(bits)
                        p += width
            if wrong != 0:
                fault[i] = 8 * (w * program.shape[1] + field) + wrong
                faulty += 1
                p = stop
                break
        at[i] = p
    return faulty


_SIGNATURE = (
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], uint8[::1], int64[:, :, ::1], int64[::1], "
    "int64[:, ::1], uint64[:, ::1], uint8[:, ::1], int64[::1])"
)

FLAT_WALK = Native(flat_walk, _SIGNATURE)
