"""Records: cells of entities packed into the bytes of state values, and unpacked, columns at a time.

A record is little-endian 8-byte words and then a heap: header words, then sections of rows, then the bytes of
values of any length, padded to 8. A row is ``mark << 32 | has bits``, further has bits where a level has
more than 32 slots, each slot's words, and for a value of any length ``offset << 32 | length`` in the heap.
Knows nothing of what header words and marks mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from operator import add

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.partials import Bools, Ints
from headrace.arrow import bits
from headrace.panes.records_kernel import GATHER, SCATTER
from headrace.panes.stacks import Shape, Stack

_LOW = np.int64(2**32 - 1)


@dataclass(frozen=True)
class Section:
    """Rows of a section of many records: the record of each (ascending), its mark (0 to 2**31), its
    partials.
    """

    record: Ints
    mark: Ints
    stack: Stack


def pack(headers: Ints, sections: Sequence[Section]) -> list[bytes]:
    """One value for each row of `headers` (records x header words)."""
    n, width = headers.shape
    counts = [np.bincount(s.record, minlength=n) for s in sections]
    sizes = np.full(n, width, "i8")
    for section, count in zip(sections, counts, strict=True):
        sizes += count * section.stack.shape.words
    starts = np.cumsum(sizes) - sizes
    words = np.empty(int(sizes.sum()), "i8")
    words[starts[:, None] + np.arange(width)] = headers
    heap, heap_ends, links = _heap(n, sections)
    at = starts + width
    link = iter(links)
    for section, count in zip(sections, counts, strict=True):
        shape, rows = section.stack.shape, section.stack.words
        places = [place for _, place in shape.links()]
        if places:
            rows = rows.copy()
            rows[:, places] = np.stack([next(link) for _ in places], axis=1)
        SCATTER.at_all(len(rows))(rows, section.record, section.mark, at, words)
        at = at + count * shape.words
    values = list(map(BytesIO(words).read, (sizes * 8).tolist()))  # type: ignore[arg-type]
    return list(map(add, values, _tails(heap, heap_ends))) if links else values


class Records:
    """Values laid side by side, to read header words and sections from."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.bytes = b"".join(values)
        self.words = np.frombuffer(self.bytes, "<i8")
        sizes = np.fromiter(map(len, values), "i8", len(values)) // 8
        self.starts = np.cumsum(sizes) - sizes

    def header(self, word: int) -> Ints:
        """Header word `word` of each record."""
        words: Ints = self.words[self.starts + word]
        return words

    def sections(self, width: int, shapes: Sequence[Shape], counts: Sequence[Ints]) -> list[Section]:
        """The sections behind `width` header words, given how many rows each record has of each."""
        heap = self.starts + width
        for shape, count in zip(shapes, counts, strict=True):
            heap = heap + count * shape.words
        at, out = self.starts + width, []
        for shape, count in zip(shapes, counts, strict=True):
            out.append(self._section(shape, at, count, heap))
            at = at + count * shape.words
        return out

    def _section(self, shape: Shape, at: Ints, count: Ints, heap: Ints) -> Section:
        n = int(count.sum())
        record, mark, words = np.empty(n, "i8"), np.empty(n, "i8"), np.empty((n, shape.words), "i8")
        GATHER.at_all(n)(self.words, at, count, record, mark, words)
        stack = Stack(shape, words, {})
        for slot, place in shape.links():
            link = words[:, place]
            blob = self._blob(heap[record] * 8 + (link >> 32), link & _LOW, stack.slot(slot).has)
            stack.blobs[slot] = blob
        return Section(record, mark, stack)

    def _blob(self, starts: Ints, lengths: Ints, has: Bools) -> pl.Series:
        total = int(lengths.sum())
        ends = np.cumsum(lengths)
        index = np.repeat(starts - (ends - lengths), lengths) + np.arange(total)
        data = np.frombuffer(self.bytes, "u1")[index]
        offsets = np.concatenate([[0], ends]).astype("i8")
        null = bits(has) if not has.all() else None
        array = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(has), [null, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes())]
        )
        return pl.Series(array, dtype=pl.Binary)


def _heap(n: int, sections: Sequence[Section]) -> tuple[bytes, Ints, list[Ints]]:
    """All blobs, record by record; where each record's end; each blob column's links into its record's."""
    blobs = [(s.record, s.stack.blobs[i]) for s in sections for i, _ in s.stack.shape.links()]
    if not blobs:
        return b"", np.zeros(n, "i8"), []
    record = np.concatenate([r for r, _ in blobs])
    column = pl.concat([b for _, b in blobs], rechunk=True)
    order = np.argsort(record, kind="stable")
    lengths = column.bin.size().fill_null(0).to_numpy().astype("i8")
    sorted_lengths = lengths[order]
    ends = np.cumsum(sorted_lengths)
    per_record = np.bincount(record, weights=lengths, minlength=n).astype("i8")
    heap_ends = np.cumsum(per_record)
    offsets = np.empty(len(order), "i8")
    offsets[order] = ends - sorted_lengths
    relative = offsets - (heap_ends - per_record)[record]
    link = (relative << 32) | lengths
    heap = b"".join(column[order].drop_nulls().to_list())
    return heap, heap_ends, np.split(link, np.cumsum([len(r) for r, _ in blobs])[:-1])


def _tails(heap: bytes, ends: Ints) -> list[bytes]:
    out, start = [], 0
    for end in ends.tolist():
        piece = heap[start:end]
        out.append(piece + bytes(-len(piece) % 8))
        start = end
    return out
