"""The walk over Kafka's records, written for numba: one pass over a partition's bytes."""

from __future__ import annotations

import numpy as np

from headrace.avro.varints import I8, U1
from headrace.native import Native

ROWS = 8
"""Rows of the output: end, timestamp delta, offset delta, key length and position, value length and position,
header count."""


def walk(data: U1, n: int, out: I8) -> int:
    """Fill `out` for the `n` records in `data`; gives the position behind them, or -1 if the framing is broken.

    A record: its length, then attributes (1 byte), timestamp delta, offset delta, key and value (each a length,
    -1 for null, and bytes) and a count of headers, which the length lets us skip.
    """
    size = len(data)
    at = 0
    for i in range(n):
        end = at
        for field in range(6):
            raw = np.int64(0)
            shift = 0
            byte = np.int64(128)
            while byte >= 128:
                if at >= size or shift > 63:
                    return -1
                byte = np.int64(data[at])
                at += 1
                raw = raw | ((byte & 0x7F) << shift)
                shift += 7
            value = int(((raw >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(raw & 1))
            if field == 0:
                end = at + value
                at += 1
                if value < 0 or end > size:
                    return -1
                out[0, i] = end
            elif field == 1 or field == 2:
                out[field, i] = value
            elif field == 5:
                out[7, i] = value
                if at > end or (value == 0 and at != end):
                    return -1
            else:
                out[2 * field - 3, i] = value
                out[2 * field - 2, i] = at
                if value > 0:
                    if value > end - at:
                        return -1
                    at += value
        at = end
    return at


WALK = Native(walk, "int64(Array(uint8, 1, 'C', readonly=True), int64, int64[:, ::1])")
