"""One call's records by what becomes of them: dead letters, tombstones, and rows that are decoded and put in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from headrace.avro.columnar import ColumnarDecoder, Columns
from headrace.avro.resolution import SchemaMismatchError
from headrace.avro.together import Together
from headrace.avro.varints import I8, U1, Mask
from headrace.types import DataType
from headrace.wire.batches import RecordBatches
from headrace.wire.decoded import OFFSET, PARTITION, ROW, TIMESTAMP, DeadRecord, Decoded
from headrace.wire.frames import Frames
from headrace.wire.json_columns import JsonDecoder

Found = ColumnarDecoder | JsonDecoder | SchemaMismatchError | KeyError
"""What decodes the values of a schema id, or the error that all of them are dead letters of."""


class Groups:
    """The rows of `frames`: taken out by what is wrong with them, then decoded by schema id, then put in order."""

    def __init__(self, frames: Frames, decoder: Callable[[int], Found]) -> None:
        self.decoder = decoder
        self.frames = frames
        self.wanted: Mask = np.ones(len(frames), np.bool_)
        self.parts: list[tuple[I8, pl.DataFrame]] = []
        self.dead: list[tuple[int, str, str]] = []

    def trim(self, batches: Sequence[RecordBatches]) -> None:
        """Drop what lies below each batch's start."""
        if any(s.batches and s.batches[0].base < s.start for s in batches):
            starts = np.array([s.start for s in batches], np.int64)
            self.wanted = self.frames.offset >= starts[self.frames.source]

    def set_aside(self, mask: Mask) -> int:
        """Take rows out, and count them."""
        if not mask.any():
            return 0
        n = int((mask & self.wanted).sum())
        self.wanted = self.wanted & ~mask
        return n

    def refuse(self, mask: Mask, reason: str, detail: Callable[[Frames, int], str]) -> None:
        """Make rows dead letters."""
        if mask.any():
            rows = np.flatnonzero(mask & self.wanted).tolist()
            self.dead += [(row, reason, detail(self.frames, row)) for row in rows]
            self.wanted = self.wanted & ~mask

    def decode(self, ids: I8, skip: int, together: Together | None) -> None:
        """Decode the values of what is left, of which each begins with `skip` bytes that are no datum.

        Those of writers that go `together` in one pass, those of any other schema id in one of its own. Raises
        UnavailableError, before any is decoded, if an id is new and the registry does not answer.
        """
        rows = np.flatnonzero(self.wanted)
        ids = ids if len(rows) == len(ids) else ids[rows]
        found = {schema_id: self.decoder(schema_id) for schema_id in _distinct(ids)}
        if len(found) == 1:
            self._apart(*found.popitem(), rows, skip)
            return
        numbers = _numbers(found, together) if together is not None else {}
        if together is not None and len(numbers) > 1 and self._mixed(together, numbers, ids, rows, skip):
            found = {i: decoder for i, decoder in found.items() if i not in numbers}
        for schema_id, decoder in found.items():
            self._apart(schema_id, decoder, rows[ids == schema_id], skip)

    def _mixed(self, together: Together, numbers: Mapping[int, int], ids: I8, rows: I8, skip: int) -> bool:
        """Decode the rows of numbered schema ids in one pass, if there is one for so many."""
        writer, known = _numbered(ids, numbers)
        if not known.all():
            writer, rows = writer[known], rows[known]
        columns = together.decode(self.frames.body, *self._extents(rows, skip), writer)
        if columns is not None:
            self._keep(rows, columns)
        return columns is not None

    def _apart(self, schema_id: int, found: Found, rows: I8, skip: int) -> None:
        """Decode the rows of one schema id."""
        if isinstance(found, KeyError):
            detail = f"schema id {schema_id} is not in the registry"
            self.dead += [(row, "schema_unknown", detail) for row in rows.tolist()]
        elif isinstance(found, SchemaMismatchError):
            detail = f"schema id {schema_id}: {found}"
            self.dead += [(row, "schema_mismatch", detail) for row in rows.tolist()]
        else:
            self._keep(rows, found.decode(self.frames.body, *self._extents(rows, skip)))

    def _extents(self, rows: I8, skip: int) -> tuple[I8, I8]:
        """Where the datums of rows begin and end."""
        start, length = self.frames.value_at, self.frames.value_length
        if len(rows) < len(start):
            start, length = start[rows], length[rows]
        return start + skip, start + length

    def _keep(self, rows: I8, columns: Columns) -> None:
        everything = len(columns.good) == len(rows)
        self.parts.append((rows if everything else rows[columns.good], columns.frame))
        self.dead += [(int(rows[i]), reason, detail) for i, reason, detail in columns.bad]

    def finish(
        self, batches: Sequence[RecordBatches], tombstones: int, columns: Mapping[str, DataType]
    ) -> Decoded:
        """What was decoded, in the order of the log. `columns`: what they are if nothing was."""
        rows, frame = self._in_order({name: type_.polars for name, type_ in columns.items()})
        f = self.frames
        partitions = np.array([s.partition for s in batches], np.int32)
        everything = len(rows) == len(f)
        frame = frame.with_columns(
            pl.Series(PARTITION, partitions[f.source if everything else f.source[rows]], pl.Int32),
            pl.Series(OFFSET, f.offset if everything else f.offset[rows]),
            pl.Series(TIMESTAMP, (f.timestamp if everything else f.timestamp[rows]) * 1_000),
            pl.Series(ROW, rows.astype(np.uint32)),
        )
        decoded = Decoded(frame, [], tombstones, batches, f, rows)
        dead: list[DeadRecord] = decoded.dead
        if self.dead:
            dead += decoded.dead_letters(sorted(self.dead))
        return decoded

    def _in_order(self, dtypes: Mapping[str, pl.DataType]) -> tuple[I8, pl.DataFrame]:
        if not self.parts:
            return np.zeros(0, np.int64), pl.DataFrame(schema=dtypes)
        if len(self.parts) == 1:
            return self.parts[0]
        rows = np.concatenate([r for r, _ in self.parts])
        order = np.argsort(rows, kind="stable")
        # In one chunk: Polars takes four times as long to reorder rows of several.
        return rows[order], pl.concat([p for _, p in self.parts], rechunk=True)[order]


def _distinct(ids: I8) -> list[int]:
    """Each id once, in order. They are few: one pass over what is left finds each."""
    found = []
    while len(ids):
        found.append(int(ids[0]))
        ids = ids[ids != ids[0]]
    return sorted(found)


def _numbers(found: Mapping[int, Found], together: Together) -> dict[int, int]:
    """The numbers of the schema ids whose writers go together."""
    joined = {i: together.join(d.writer) for i, d in found.items() if isinstance(d, ColumnarDecoder)}
    return {i: number for i, number in joined.items() if number is not None}


def _numbered(ids: I8, numbers: Mapping[int, int]) -> tuple[U1, Mask]:
    """Each id's number, and which ids have one."""
    number = np.zeros(len(ids), np.uint8)
    known = np.zeros(len(ids), np.bool_)
    for schema_id, value in numbers.items():
        mine = ids == schema_id
        known |= mine
        number += mine.view(np.uint8) * np.uint8(value)
    return number, known
