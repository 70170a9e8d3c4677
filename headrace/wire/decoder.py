"""`SourceDecoder`: raw record batches of a source's topics to columns and dead letters.

Three steps for every shape of batch: *frame* finds the records, *columns* decodes the values of all schema ids at
once, or of each at once, and only what that refuses is walked to *locate* the bad ones. Knows no event time and no
view; raises nothing for a bad record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from headrace.avro.columnar import ColumnarDecoder
from headrace.avro.flat_kernel import FLAT_WALK
from headrace.avro.resolution import SchemaMismatchError
from headrace.avro.schema import AvroSchema
from headrace.avro.together import Together
from headrace.avro.varints import I8
from headrace.errors import SchemaError, UnavailableError, UsageError
from headrace.types import DataType
from headrace.wire.batches import RecordBatches
from headrace.wire.building_kernel import LAY
from headrace.wire.decoded import Decoded
from headrace.wire.frames import TOMBSTONE, UNFRAMED, Frames, frame
from headrace.wire.groups import Found, Groups
from headrace.wire.json_columns import JsonDecoder
from headrace.wire.kernel import WALK


def warm() -> None:
    """Load or compile the machine code now, where numba is installed, rather than with the first large batch."""
    for kernel in (WALK, FLAT_WALK, LAY):
        kernel.warm()


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
        self._together: Together | None = None
        if format == "json":
            self._decoders[_BARE] = JsonDecoder(schema)
        elif isinstance(schema, AvroSchema):
            if framing == "none":
                self._decoders[_BARE] = ColumnarDecoder(schema.root, schema.root)
            else:
                self._together = Together(schema.root)

    def decode(self, batches: Sequence[RecordBatches]) -> Decoded:
        """Decode what is at or above each batch's `start`.

        Raises UnavailableError if a schema id is new and the registry does not answer (nothing is lost: call again),
        and CorruptRecordError if a batch is not a list of records.
        """
        frames = frame(batches)
        groups = Groups(frames, self.decoder)
        groups.trim(batches)
        ids = self._ids(frames)
        tombstones = groups.set_aside(ids == TOMBSTONE)
        groups.refuse(ids == UNFRAMED, "decode", _unframed)
        if self.max_record_bytes is not None:
            over = frames.value_length > self.max_record_bytes
            limit = f"expected a value of at most {self.max_record_bytes} bytes, got "
            groups.refuse(over, "too_large", lambda f, row: f"{limit}{int(f.value_length[row])}")
        skip = _MAGIC if self.framing == "registry" else 0
        groups.decode(ids, skip, self._together)
        return groups.finish(batches, tombstones, self.columns)

    def _ids(self, frames: Frames) -> I8:
        if self.framing == "registry":
            return frames.schema_ids()
        return np.where(frames.value_length < 0, TOMBSTONE, _BARE)

    def decoder(self, schema_id: int) -> Found:
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


def _unframed(frames: Frames, row: int) -> str:
    value = frames.value(row) or b""
    got = f"{len(value)} bytes" if len(value) < _MAGIC else f"0x{value[0]:02x} first"
    return (
        f"expected a registry header (a zero byte and a 4-byte schema id), got {got}. "
        "If producers write bare Avro, declare framing='none'"
    )
