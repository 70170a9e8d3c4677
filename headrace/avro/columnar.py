"""Avro datums of one writer's schema as the reader's columns. Owns the choice between two ways of decoding.

The exact way is `walk`. Its plain fields are read by one compiled pass (0.1 us a datum of ten fields, where
`polars.read_avro` takes 0.4), but lists take a step an item, and without numba every field takes some. Then the
quick way comes first: one `polars.read_avro` of all datums, proven afterwards by `extent`, and the walk only if it
refuses. Both give carriers, which `resolution` turns into columns. A bad datum costs that datum only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.avro import spans
from headrace.avro.carriers import has_list, header_fields
from headrace.avro.container import REFUSED, header, read
from headrace.avro.defaults import default_column
from headrace.avro.extent import accounts_for
from headrace.avro.flat_kernel import FLAT_WALK
from headrace.avro.marks import Marks
from headrace.avro.nodes import Record
from headrace.avro.resolution import Column, resolve_columns
from headrace.avro.varints import I8
from headrace.avro.walk import Walk

_WALKS_AFTER_A_FALSE_ALARM = 31


@dataclass(frozen=True, slots=True)
class Columns:
    """`frame`: the reader's columns of the good datums, in their order. `good`: their indices. `bad`: index,
    dead-letter reason and detail of each of the others, in order."""

    frame: pl.DataFrame
    good: I8
    bad: list[tuple[int, str, str]]


class ColumnarDecoder:
    """Decodes datums written with `writer` as columns of `reader`. SchemaMismatchError if no value can be read.

    Some producers' encoding is valid but not canonical (arrays in sized blocks): where the walk finds no fault after
    a refusal, the next batches are walked at once, and the quick way is tried again after them. `native`: whether to
    use machine code where numba is installed.
    """

    def __init__(self, writer: Record, reader: Record, *, native: bool = True) -> None:
        self.writer, self.reader = writer, reader
        self.native = native
        self.columns = resolve_columns(writer, reader, default_column)
        fields = header_fields(writer)
        self._head = header(fields) if fields else None
        self._walk = Walk(writer, native=native)
        self._lists = has_list(writer)
        self._walks = 0

    def decode(self, body: memoryview, start: I8, end: I8) -> Columns:
        """The datums `body[start[i]:end[i]]`, which ascend and are disjoint."""
        n = len(start)
        marks = Marks(n)
        carriers = self.quickly(body, start, end)
        if carriers is None:
            walked = self._walk(body, start, end)
            carriers = walked.frame
            self._walks = 0 if walked.fault.any() else self._walks or _WALKS_AFTER_A_FALSE_ALARM
            for i, message in enumerate(walked.messages):
                marks.mark(walked.fault == i + 1, None, "decode", message)
        return converted(carriers, marks, list(self.columns.values()))

    def quickly(self, body: memoryview, start: I8, end: I8) -> pl.DataFrame | None:
        """The carriers by the quick way; None if it refuses, does not exist or is not the better one."""
        if self.native and not self._lists and FLAT_WALK.worth(len(start)) is not None:
            return None
        if self._walks:
            self._walks -= 1
            return None
        if self._head is None or not len(start) or (end < start).any():
            return None
        try:
            frame = read(self._head, [spans.joined(body, start, end)], len(start))
        except REFUSED:
            return None
        if frame.height != len(start):
            return None
        data = np.frombuffer(body, np.uint8)
        return frame if accounts_for(self.writer, frame, data, start, end) else None


def converted(carriers: pl.DataFrame, marks: Marks, columns: Sequence[Column]) -> Columns:
    """The columns of carriers, without the rows that are marked already or that a column marks."""
    good = marks.good
    if good is None:
        frame = _converted(carriers, marks, columns)
        fine = marks.good
        good_rows = np.arange(carriers.height) if fine is None else np.flatnonzero(fine)
        return Columns(frame, good_rows, list(marks.bad()))
    kept = np.flatnonzero(good)  # a bad datum's carriers mean nothing: no column sees them
    inner = Marks(len(kept))
    frame = _converted(carriers.filter(pl.Series(good)), inner, columns)
    bad = sorted([*marks.bad(), *((int(kept[i]), reason, detail) for i, reason, detail in inner.bad())])
    fine = inner.good
    return Columns(frame, kept if fine is None else kept[fine], bad)


def _converted(carriers: pl.DataFrame, marks: Marks, columns: Sequence[Column]) -> pl.DataFrame:
    frame = pl.DataFrame([column(carriers, marks) for column in columns])
    return frame if marks.good is None else frame.filter(pl.Series(marks.good))
