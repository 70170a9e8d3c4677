"""The records of a batch as bytes, written for numba: one pass over keys, values and headers.

Plain loops over arrays, in numba's part of Python; too slow to be called uncompiled.
"""

from __future__ import annotations

from typing import Any

from headrace.native import Native


def lay(
    length: Any,
    delta: Any,
    key: Any,
    keys: Any,
    value: Any,
    values: Any,
    header: Any,
    headers: Any,
    common: bool,
    out: Any,
) -> int:
    """Fill `out` with the records one after the other; gives how many bytes that are.

    Of each: the `length` behind its own varint, the offset `delta`, the sizes of key and value (-1: null), whose bytes
    follow each other in `keys` and `values`; so do encoded headers, unless all records have the same (`common`).
    """
    p = 0
    k = 0
    v = 0
    h = 0
    for i in range(len(length)):
        for part in range(4):
            if part == 0:
                number = length[i]
            elif part == 1:
                out[p] = 0  # attributes, and no timestamp delta
                out[p + 1] = 0
                p += 2
                number = delta[i]
            elif part == 2:
                number = key[i]
            else:
                number = value[i]
            rest = (number << 1) ^ (number >> 63)  # not negative: sizes are below 2**62
            while rest >= 128:
                out[p] = (rest & 0x7F) | 0x80
                rest >>= 7
                p += 1
            out[p] = rest
            p += 1
            if part == 2 and number > 0:
                put = out[p : p + number]  # slices: an index that might be negative is ten times as slow
                got = keys[k : k + number]
                for j in range(len(put)):
                    put[j] = got[j]
                p += number
                k += number
            elif part == 3 and number > 0:
                put = out[p : p + number]
                got = values[v : v + number]
                for j in range(len(put)):
                    put[j] = got[j]
                p += number
                v += number
        if common:
            h = 0
        for j in range(header[i]):
            out[p + j] = headers[h + j]
        p += header[i]
        h += header[i]
    return p


_BYTES = "Array(uint8, 1, 'C', readonly=True)"
LAY = Native(
    lay,
    f"int64(int64[::1], int64[::1], int64[::1], {_BYTES}, int64[::1], {_BYTES}, int64[::1], {_BYTES}, boolean, "
    "uint8[::1])",
)
