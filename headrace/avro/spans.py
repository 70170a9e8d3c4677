"""Byte ranges of one buffer, copied together without a Python object per range."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.arrow import booleans
from headrace.avro.varints import I8, Mask

Buffer = bytes | memoryview


def compacted(body: Buffer, start: I8, end: I8) -> pa.LargeBinaryArray:
    """The ranges `start[i]:end[i]`, ascending and disjoint, as one binary array; about 17 ns a range.

    An Arrow array over the buffer itself, ranges and the gaps between them, is filtered to the ranges.
    """
    n = len(start)
    offsets = np.empty(2 * n + 1, np.int64)
    offsets[0] = 0
    offsets[1::2] = start
    offsets[2::2] = end
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(body)]
    both = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2 * n, buffers)
    wanted = np.zeros(2 * n, np.bool_)
    wanted[1::2] = True
    return both.filter(booleans(wanted))


def joined(body: Buffer, start: I8, end: I8) -> memoryview:
    """The bytes of ascending, disjoint ranges, one behind the other."""
    size = int((end - start).sum())
    if not size:
        return memoryview(b"")
    return memoryview(compacted(body, start, end).buffers()[2])[:size]


def binary(body: Buffer, start: I8, length: I8, present: Mask | None = None) -> pl.Series:
    """Ascending, disjoint ranges as a Binary series; null where not `present`."""
    series = pl.Series(pl.from_arrow(compacted(body, start, start + length)))
    if present is None or present.all():
        return series
    return pl.select(pl.when(pl.lit(pl.Series(present))).then(pl.lit(series))).to_series()
