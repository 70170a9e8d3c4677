"""Datums of several writers, mixed, as columns of one reader: one compiled pass reads each as its writer wrote it.

Each writer's datums apart would be read as fast, but putting the rows of all columns in order afterwards takes half as
long again. Together go writers of plain fields of which every column of the reader's comes from equal types; the
others' datums are for a `ColumnarDecoder` each. Gives what that gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from headrace.avro.carriers import repeated
from headrace.avro.columnar import Columns, converted
from headrace.avro.defaults import default_column
from headrace.avro.flat import Run, describe, is_flat, read_run, run_of_writers
from headrace.avro.marks import Marks
from headrace.avro.nodes import Field, Record
from headrace.avro.resolution import Column, resolve_columns, written_as
from headrace.avro.varints import I8, U1, Mask
from headrace.avro.walk import LEFT_OVER, TOO_SHORT, fault_in

MOST_WRITERS = 256
"""They are numbered in a byte a datum."""

_WRITER = "writer number"  # a carrier that no field can be named like


class Together:
    """Decodes datums of the writers that have joined as columns of `reader`. Only writers that it can read may join."""

    def __init__(self, reader: Record) -> None:
        self.reader = reader
        self._writers: list[Record] = []
        self._refused: list[Record] = []
        self._plan: _Plan | None = None

    def join(self, writer: Record) -> int | None:
        """The number of a writer whose datums may be among the others' from now on; None if they may not."""
        if writer in self._writers:
            return self._writers.index(writer)
        if writer in self._refused:
            return None
        writers = [*self._writers, writer]
        plan = _plan(writers, self.reader) if len(writers) <= MOST_WRITERS else None
        if plan is None:
            self._refused.append(writer)
            return None
        self._writers, self._plan = writers, plan
        return len(writers) - 1

    def decode(self, body: memoryview, start: I8, end: I8, writer: U1) -> Columns | None:
        """The datums `body[start[i]:end[i]]`, disjoint, of the writer with the number `writer[i]`.

        None if there is no compiled pass, or none for so few datums or so many bytes.
        """
        assert self._plan is not None
        run = self._plan.run
        read = read_run(run, np.frombuffer(body, np.uint8), start, end, writer)
        if read is None:
            return None
        marks = Marks(len(start))
        if read.fault is not None:
            for code in np.unique(read.fault[read.fault > 0]).tolist():
                marks.mark(read.fault == code, None, "decode", fault_in(*describe(run, code)))
        marks.mark(read.at > end, None, "decode", TOO_SHORT)
        marks.mark(read.at < end, None, "decode", LEFT_OVER)
        carriers = pl.DataFrame([pl.Series(_WRITER, writer), *read.columns])
        return converted(carriers, marks, self._plan.columns)


@dataclass(frozen=True)
class _Plan:
    """How datums are read as carriers, named as the reader's fields, and those become columns."""

    run: Run
    columns: list[Column]


def _plan(writers: Sequence[Record], reader: Record) -> _Plan | None:
    """None if the writers do not go together."""
    if not all(is_flat(f.node) for w in writers for f in w.fields):
        return None
    found = [[written_as(f, w) for w in writers] for f in reader.fields]
    fields: list[Field] = []
    into: list[dict[str, int]] = [
        {} for _ in writers
    ]  # of each writer: name of its field -> index in `fields`
    lacking: dict[str, Mask] = {}
    for field, sources in zip(reader.fields, found, strict=True):
        there = [s.node for s in sources if s is not None]
        if not there:
            continue
        if len(there) < len(writers):
            # Where a writer lacks it, zeros are converted: harmless only if nothing is but read as it was written.
            if there[0] != field.node:
                return None
            lacking[field.name] = np.array([s is None for s in sources])
        for source, places in zip(sources, into, strict=True):
            if source is None:
                continue
            if source.node != there[0] or source.name in places:
                return None
            places[source.name] = len(fields)
        fields.append(Field(field.name, there[0]))
    run = run_of_writers(
        tuple(fields),
        [[(f, places.get(f.name)) for f in w.fields] for w, places in zip(writers, into, strict=True)],
    )
    named = replace(reader, fields=tuple(replace(f, aliases=()) for f in reader.fields))
    columns = resolve_columns(Record(reader.name, tuple(fields)), named, default_column)
    for field in reader.fields:
        if field.name in lacking:
            columns[field.name] = _or_default(columns[field.name], default_column(field), lacking[field.name])
    return _Plan(run, list(columns.values()))


def _or_default(column: Column, default: pl.Series, lacking: Mask) -> Column:
    """The column with the default for datums of writers that lack it."""

    def whole(frame: pl.DataFrame, marks: Marks) -> pl.Series:
        made = column(frame, marks)
        lacks = lacking[frame[_WRITER].to_numpy()]
        return (
            repeated(default, len(made)).zip_with(pl.Series(lacks), made).alias(made.name)
            if lacks.any()
            else made
        )

    return whole
