"""Lists of items in a partial's blob: packed into bytes and unpacked, all lists of a column at once.

A blob is a row of 8-byte words for each item (with the length of its text, where items have texts), then the
texts, padded to 8. How many items a list has is kept beside it, in a word of the partial. Knows nothing of
what the items mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from headrace.aggregates.partials import Bools, Ints
from headrace.arrow import bits


@dataclass(frozen=True)
class Items:
    """Items of many lists, side by side: the list of each (ascending), its words, and its text (Binary,
    without nulls) if items have texts."""

    owner: Ints
    words: tuple[Ints, ...]
    texts: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, rows: Ints | Bools) -> Items:
        """The items at `rows` (positions, or a mask), in that order."""
        texts = self.texts
        if texts is not None:
            texts = texts.filter(pl.Series(rows)) if rows.dtype == np.bool_ else texts[rows]
        return Items(self.owner[rows], tuple(w[rows] for w in self.words), texts)


def pack_lists(items: Items, n: int) -> pl.Series:
    """The blobs of lists 0 to n; null for a list without items."""
    width = len(items.words) + (items.texts is not None)
    count = np.bincount(items.owner, minlength=n)
    sizes, heap, lengths = count * width * 8, np.zeros(n, "i8"), np.zeros(0, "i8")
    if items.texts is not None:
        lengths = items.texts.bin.size().to_numpy().astype("i8")
        heap = np.bincount(items.owner, weights=lengths, minlength=n).astype("i8")
        sizes = sizes + (heap + 7) // 8 * 8
    ends = np.cumsum(sizes)
    data = np.zeros(int(ends[-1]) if n else 0, "u1")
    words = data.view("i8")
    at = _rows_of((ends - sizes) // 8, count, width)
    for i, word in enumerate(items.words):
        words[at + i] = word
    if items.texts is not None:
        words[at + len(items.words)] = lengths
        _, texts = buffers(items.texts)
        data[_rows_of(ends - sizes + count * width * 8, heap, 1)] = texts
    return blobs(data, ends, count > 0)


def unpack_lists(blob: pl.Series, count: Ints, words: int, *, texts: bool) -> Items:
    """The items of lists of `count` items of `words` words each."""
    starts, data = buffers(blob)
    width = words + texts
    owner = np.repeat(np.arange(len(count)), count)
    flat = data[: len(data) // 8 * 8].view("i8")
    at = _rows_of(starts // 8, count, width)
    columns = tuple(flat[at + i] for i in range(words))
    if not texts:
        return Items(owner, columns)
    lengths = flat[at + words]
    heap = np.bincount(owner, weights=lengths, minlength=len(count)).astype("i8")
    text = data[_rows_of(starts + count * width * 8, heap, 1)]
    return Items(owner, columns, blobs(text, np.cumsum(lengths), np.ones(len(owner), "?")))


def buffers(blob: pl.Series) -> tuple[Ints, NDArray[np.uint8]]:
    """Where each value of a Binary column begins, and the bytes of all of them side by side."""
    array = blob.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offsets, data = array.buffers()
    if len(array) == 0 or data is None:
        return np.zeros(len(array), "i8"), np.zeros(0, "u1")
    bounds = np.frombuffer(offsets, "i8")[array.offset : array.offset + len(array) + 1]
    return bounds[:-1] - bounds[0], np.frombuffer(data, "u1")[bounds[0] : bounds[-1]]


def blobs(data: NDArray[np.uint8], ends: Ints, has: Bools) -> pl.Series:
    """A Binary column of values that lie side by side in `data` and end at `ends`; null where not `has`."""
    offsets = np.concatenate([np.zeros(1, "i8"), ends])
    null = None if has.all() else bits(has)
    parts = [null, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes())]
    return pl.Series(pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(has), parts), dtype=pl.Binary)


def _rows_of(at: Ints, count: Ints, width: int) -> Ints:
    """The positions ``at``, ``at + width``, ... of `count` rows of each list, list by list."""
    before = np.cumsum(count) - count
    return np.repeat(at - before * width, count) + np.arange(int(count.sum())) * width
