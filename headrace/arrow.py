"""Arrow arrays made from NumPy's, and NumPy's from Arrow's, without what imports pandas: half a second of a worker's
start. That is `pa.array`, `pa.scalar`, and `to_numpy` of an Arrow array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def bits(mask: Bools) -> pa.Buffer:
    """A mask as Arrow keeps it: a bit each, the first one lowest."""
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def integers(values: Ints) -> pa.Int64Array:
    """Whole numbers as an array without nulls."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def codes(encoded: pa.DictionaryArray) -> Ints:
    """Which entry of its dictionary each value is; none may be null."""
    indices = encoded.indices
    return np.frombuffer(indices.buffers()[1], "i4")[indices.offset :][: len(indices)].astype("i8")


def booleans(mask: Bools) -> pa.BooleanArray:
    """A mask as an array without nulls."""
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits(mask)])


def binaries(offsets: Ints, data: NDArray[Any]) -> pa.LargeBinaryArray:
    """Consecutive byte ranges of `data`, which begin and end at `offsets`."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def constant(raw: bytes) -> pa.LargeBinaryScalar:
    """The same bytes in every row of what is `joined`."""
    return binaries(np.array([0, len(raw)], np.int64), np.frombuffer(raw, np.uint8))[0]


_NOTHING = constant(b"")


def joined(*parts: pa.Scalar | pa.Array) -> pa.LargeBinaryArray:
    """Binary columns, and scalars for constant ones, joined row by row."""
    large = pa.large_binary()
    return pc.binary_join_element_wise(*(p if p.type == large else p.cast(large) for p in parts), _NOTHING)


def lists(lengths: Ints, items: pl.Series) -> pl.Series:
    """Consecutive `items` as lists of these lengths."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(integers(offsets), items.to_arrow())))
