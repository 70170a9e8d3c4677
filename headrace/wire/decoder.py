"""`SourceDecoder`: raw record batches of a source's topics to columns and dead letters.

Three steps for every shape of batch: *frame* finds the records, *columns* decodes the values of each schema id
together, and only what that refuses is walked to *locate* the bad ones. Knows no event time and no view; raises
nothing for a bad record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl

from headrace.avro.columnar import ColumnarDecoder, Columns
from headrace.avro.flat_kernel import FLAT_WALK
from headrace.avro.resolution import SchemaMismatchError
from headrace.avro.schema import AvroSchema
from headrace.avro.varints import I8, Mask
from headrace.errors import SchemaError, UnavailableError, UsageError
from headrace.types import DataType
from headrace.wire.batches import RecordBatches
from headrace.wire.decoded import OFFSET, PARTITION, ROW, TIMESTAMP, DeadRecord, Decoded
from headrace.wire.frames import TOMBSTONE, UNFRAMED, Frames, frame
from headrace.wire.json_columns import JsonDecoder
from headrace.wire.kernel import WALK


def warm() -> None:
    """Load or compile the machine code now, where numba is installed, rather than with the first large batch."""
    WALK.warm()
    FLAT_WALK.warm()


Resolve = Callable[[int], AvroSchema]
"""The schema of a registry id. KeyError: no such id; UnavailableError: the registry does not answer."""

Format = Literal["avro", "json"]
Framing = Literal["none", "registry"]

_MAGIC = 5  # a zero byte and four of schema id, in front of a registry-framed datum
_BARE = 0  # stands for the id of every value without framing


class SourceDecoder:
    """Decodes a source's records. One per source and thread.

    `schema`: the reader's Avro schema, or, for JSON, a schema or a mapping of column to type (then every column may
    be null). `framing`: whether values begin with the 5-byte header of a Schema Registry; then `resolve` gives the
    writers' schemas, each asked for once. `max_record_bytes`: a larger value is a dead letter, `too_large`.
    """

    def __init__(
        self,
        schema: AvroSchema | Mapping[str, DataType],
        *,
        format: Format = "avro",
        framing: Framing = "none",
        resolve: Resolve | None = None,
        max_record_bytes: int | None = None,
    ) -> None:
        if format == "avro" and not isinstance(schema, AvroSchema):
            raise UsageError("an Avro source is decoded by an Avro schema, not by a mapping of types")
        if framing == "registry" and format == "avro" and resolve is None:
            raise UsageError("registry framing needs a registry: set registry.url, or framing='none'")
        self.columns: dict[str, DataType] = dict(schema.columns if isinstance(schema, AvroSchema) else schema)
        self.framing = framing
        self.max_record_bytes = max_record_bytes
        self._schema = schema
        self._format = format
        self._resolve = resolve
        self._decoders: dict[int, ColumnarDecoder | JsonDecoder | SchemaMismatchError] = {}
        if format == "json":
            self._decoders[_BARE] = JsonDecoder(schema)
        elif framing == "none" and isinstance(schema, AvroSchema):
            self._decoders[_BARE] = ColumnarDecoder(schema.root, schema.root)

    def decode(self, batches: Sequence[RecordBatches]) -> Decoded:
        """Decode what is at or above each batch's `start`.

        Raises UnavailableError if a schema id is new and the registry does not answer (nothing is lost: call again),
        and CorruptRecordError if a batch is not a list of records.
        """
        frames = frame(batches)
        groups = _Groups(self, frames)
        groups.trim(batches)
        ids = self._ids(frames)
        tombstones = groups.set_aside(ids == TOMBSTONE)
        groups.refuse(ids == UNFRAMED, "decode", _unframed)
        if self.max_record_bytes is not None:
            over = frames.value_length > self.max_record_bytes
            limit = f"expected a value of at most {self.max_record_bytes} bytes, got "
            groups.refuse(over, "too_large", lambda f, row: f"{limit}{int(f.value_length[row])}")
        skip = _MAGIC if self.framing == "registry" else 0
        for schema_id, rows in groups.by_id(ids):
            groups.decode(schema_id, rows, skip)
        return groups.finish(batches, tombstones)

    def _ids(self, frames: Frames) -> I8:
        if self.framing == "registry":
            return frames.schema_ids()
        return np.where(frames.value_length < 0, TOMBSTONE, _BARE)

    def decoder(self, schema_id: int) -> ColumnarDecoder | JsonDecoder | SchemaMismatchError | KeyError:
        """What decodes the values of an id; the error that all of them are dead letters of; UnavailableError raised."""
        if self._format == "json":
            return self._decoders[_BARE]
        known = self._decoders.get(schema_id)
        if known is not None:
            return known
        assert self._resolve is not None
        assert isinstance(self._schema, AvroSchema)
        made: ColumnarDecoder | SchemaMismatchError
        try:
            made = ColumnarDecoder(self._resolve(schema_id).root, self._schema.root)
        except UnavailableError:
            raise
        except KeyError as error:
            return error  # not kept: the id may be registered later
        except SchemaMismatchError as error:
            made = error
        except SchemaError as error:
            made = SchemaMismatchError(f"schema id {schema_id}: {error}")
        self._decoders[schema_id] = made
        return made


class _Groups:
    """One call's work: rows by schema id, decoded group by group, then put in order."""

    def __init__(self, decoder: SourceDecoder, frames: Frames) -> None:
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

    def by_id(self, ids: I8) -> list[tuple[int, I8]]:
        """The rows of each id, in the order of ids."""
        rows = np.flatnonzero(self.wanted)
        if not len(rows):
            return []
        there = ids[rows]
        if (there == there[0]).all():
            return [(int(there[0]), rows)]
        return [(int(i), rows[there == i]) for i in np.unique(there).tolist()]

    def decode(self, schema_id: int, rows: I8, skip: int) -> None:
        found = self.decoder.decoder(schema_id)
        if isinstance(found, KeyError):
            detail = f"schema id {schema_id} is not in the registry"
            self.dead += [(row, "schema_unknown", detail) for row in rows.tolist()]
            return
        if isinstance(found, SchemaMismatchError):
            detail = f"schema id {schema_id}: {found}"
            self.dead += [(row, "schema_mismatch", detail) for row in rows.tolist()]
            return
        start = self.frames.value_at[rows]
        columns: Columns = found.decode(
            self.frames.body, start + skip, start + self.frames.value_length[rows]
        )
        self.parts.append((rows[columns.good], columns.frame))
        self.dead += [(int(rows[i]), reason, detail) for i, reason, detail in columns.bad]

    def finish(self, batches: Sequence[RecordBatches], tombstones: int) -> Decoded:
        dtypes = {name: type_.polars for name, type_ in self.decoder.columns.items()}
        rows = np.concatenate([r for r, _ in self.parts]) if self.parts else np.zeros(0, np.int64)
        frame = pl.concat([p for _, p in self.parts]) if self.parts else pl.DataFrame(schema=dtypes)
        if len(self.parts) > 1:
            order = np.argsort(rows, kind="stable")
            rows, frame = rows[order], frame[order]
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


def _unframed(frames: Frames, row: int) -> str:
    value = frames.value(row) or b""
    got = f"{len(value)} bytes" if len(value) < _MAGIC else f"0x{value[0]:02x} first"
    return (
        f"expected a registry header (a zero byte and a 4-byte schema id), got {got}. "
        "If producers write bare Avro, declare framing='none'"
    )
