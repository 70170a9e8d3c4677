"""Records: cells of entities packed into the bytes of state values, and unpacked, columns at a time.

A record is little-endian 8-byte words and then a heap: header words, then sections of rows, then the bytes of
values of any length, padded to 8. A row is ``mark << 32 | has bits``, further has bits where a level has
more than 32 slots, each slot's words, and for a value of any length ``offset << 32 | length`` in the heap.
Knows nothing of what header words and marks mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.arrow import bits

_LOW = np.int64(2**32 - 1)


@dataclass(frozen=True)
class Shape:
    """What the rows of a section hold."""

    algebras: tuple[Algebra, ...]

    @property
    def masks(self) -> int:
        """How many words have has bits."""
        return max(1, -(-len(self.algebras) // 32))

    @property
    def words(self) -> int:
        """How many words a row has."""
        return self.masks + sum(len(a.identity) + a.blob for a in self.algebras)


@dataclass(frozen=True)
class Section:
    """Rows of a section of many records: the record of each (ascending), its mark (0 to 2**31), its
    partials.
    """

    record: Ints
    mark: Ints
    slots: tuple[Partials, ...]


def pack(headers: Ints, sections: Sequence[tuple[Shape, Section]]) -> list[bytes]:
    """One value for each row of `headers` (records x header words)."""
    n, width = headers.shape
    counts = [np.bincount(s.record, minlength=n) for _, s in sections]
    sizes = np.full(n, width, "i8")
    for (shape, _), count in zip(sections, counts, strict=True):
        sizes += count * shape.words
    starts = np.cumsum(sizes) - sizes
    words = np.empty(int(sizes.sum()), "i8")
    words[starts[:, None] + np.arange(width)] = headers
    heap, heap_ends, links = _heap(n, [s for _, s in sections])
    at = starts + width
    link = iter(links)
    for (shape, section), count in zip(sections, counts, strict=True):
        rows = _positions(at, count, shape.words)
        _fill(words, rows, shape, section, link)
        at = at + count * shape.words
    ends = (starts + sizes) * 8
    memory = words.tobytes()
    del words  # before there is a third copy
    bounds = zip((starts * 8).tolist(), ends.tolist(), strict=True)
    if not links:
        return [memory[a:b] for a, b in bounds]
    tails = _tails(heap, heap_ends)
    return [memory[a:b] + tail for (a, b), tail in zip(bounds, tails, strict=True)]


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
            record = np.repeat(np.arange(len(count)), count)
            out.append(self._section(shape, record, _positions(at, count, shape.words), heap))
            at = at + count * shape.words
        return out

    def _section(self, shape: Shape, record: Ints, rows: Ints, heap: Ints) -> Section:
        words = self.words
        first = words[rows]
        masks = [first & _LOW, *(words[rows + i] for i in range(1, shape.masks))]
        slots, at = [], shape.masks
        for i, algebra in enumerate(shape.algebras):
            has: Bools = (masks[i // 32] >> (i % 32)) & 1 != 0
            columns = []
            for identity in algebra.identity:
                column = words[rows + at]
                columns.append(column.view("f8") if isinstance(identity, float) else column)
                at += 1
            blob = None
            if algebra.blob:
                link = words[rows + at]
                blob = self._blob(heap[record] * 8 + (link >> 32), link & _LOW, has)
                at += 1
            slots.append(Partials(has, tuple(columns), blob))
        return Section(record, first >> 32, tuple(slots))

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


def _positions(at: Ints, count: Ints, words: int) -> Ints:
    """Where each row begins, for `count` rows of `words` words from `at` on, record by record."""
    before = np.cumsum(count) - count
    return np.repeat(at - before * words, count) + np.arange(int(count.sum())) * words


def _fill(words: Ints, rows: Ints, shape: Shape, section: Section, link: object) -> None:
    bits = [np.zeros(len(rows), "i8") for _ in range(shape.masks)]
    for i, slot in enumerate(section.slots):
        bits[i // 32] |= slot.has.astype("i8") << (i % 32)
    words[rows] = (section.mark << 32) | bits[0]
    for i in range(1, shape.masks):
        words[rows + i] = bits[i]
    at = shape.masks
    for algebra, slot in zip(shape.algebras, section.slots, strict=True):
        for column in slot.words:
            words[rows + at] = column.view("i8")
            at += 1
        if algebra.blob:
            words[rows + at] = next(link)  # type: ignore[call-overload]
            at += 1


def _heap(n: int, sections: Sequence[Section]) -> tuple[bytes, Ints, list[Ints]]:
    """All blobs, record by record; where each record's end; each blob column's links into its record's."""
    blobs = [(s.record, slot.blob) for s in sections for slot in s.slots if slot.blob is not None]
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
