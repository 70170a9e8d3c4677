"""The first step of decoding: where each record's key, value and headers lie. Looks into no value.

A decompressed batch is a list of Avro `bytes`, so its record boundaries come from one columnar read (or from the
compiled walk). Null keys, headers and tombstones are only numbers here: no shape has a path of its own.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.avro import spans, varints
from headrace.avro.container import container, header
from headrace.avro.varints import I8, Mask
from headrace.errors import CorruptRecordError
from headrace.wire import kernel
from headrace.wire.batches import RecordBatch, RecordBatches

_RECORDS = header([{"name": "r", "type": "bytes"}])

TOMBSTONE = -1
UNFRAMED = -2


@dataclass(frozen=True, slots=True)
class Frames:
    """Every record of some batches, in the batches' order: one row each.

    `body`: the bytes that positions refer to. `source`: index of the RecordBatches a row came from.
    `timestamp` in ms. A length of -1 means null.
    """

    body: memoryview
    source: I8
    offset: I8
    timestamp: I8
    key_at: I8
    key_length: I8
    value_at: I8
    value_length: I8
    headers: I8
    end: I8

    def __len__(self) -> int:
        return len(self.offset)

    def key(self, row: int) -> bytes | None:
        n = int(self.key_length[row])
        return None if n < 0 else bytes(self.body[int(self.key_at[row]) :][:n])

    def value(self, row: int) -> bytes | None:
        n = int(self.value_length[row])
        return None if n < 0 else bytes(self.body[int(self.value_at[row]) :][:n])

    def record_headers(self, row: int) -> list[tuple[str, bytes]]:
        """The headers of one record, in order (a null value reads as empty)."""
        at = int(self.value_at[row] + max(self.value_length[row], 0))
        count, at = varints.decode(self.body, at)
        found = []
        for _ in range(count):
            n, at = varints.decode(self.body, at)
            name, at = bytes(self.body[at : at + n]).decode("utf-8", "replace"), at + n
            n, at = varints.decode(self.body, at)
            n = max(n, 0)
            found.append((name, bytes(self.body[at : at + n])))
            at += n
        return found

    def keys(self, rows: I8) -> pl.Series:
        """The keys of ascending `rows`: Binary, null kept."""
        length = self.key_length[rows]
        return spans.binary(self.body, self.key_at[rows], np.maximum(length, 0), length >= 0)

    def values(self, rows: I8) -> pl.Series:
        """The values of ascending `rows`: Binary, null kept."""
        length = self.value_length[rows]
        return spans.binary(self.body, self.value_at[rows], np.maximum(length, 0), length >= 0)

    def without_headers(self, rows: I8) -> Mask:
        """Whether records have no header at all."""
        at = self.value_at[rows] + np.maximum(self.value_length[rows], 0)
        counts: Mask = np.frombuffer(self.body, np.uint8)[at] == 0
        return counts

    def schema_ids(self) -> I8:
        """The schema id in front of each value (a zero byte, then four): TOMBSTONE or UNFRAMED where there is none."""
        absent = np.where(self.value_length < 0, TOMBSTONE, UNFRAMED)
        if len(self.body) < 8:
            return absent
        # Eight bytes at any position: one gather brings the zero byte and the id.
        windows = np.ndarray((len(self.body) - 7,), ">u8", self.body, 0, (1,))
        at = np.minimum(self.value_at, len(windows) - 1)
        word = windows[at].astype(np.uint64)
        word <<= ((self.value_at - at) << 3).astype(np.uint64)
        ids = (word >> np.uint64(24)).view(np.int64)  # beyond 32 bits: the first byte was not zero
        odd = (self.value_length < 5) | (ids > 0xFFFFFFFF)
        return np.where(odd, absent, ids) if odd.any() else ids


def frame(sources: Sequence[RecordBatches]) -> Frames:
    """Decompress and frame. Raises CorruptRecordError if a batch is not a list of records."""
    batches = [b for s in sources for b in s.batches]
    payloads = [b.payload() for b in batches]
    counts = np.array([b.count for b in batches], np.int64)
    try:
        return _framed(sources, batches, payloads, counts)
    except _BrokenError:
        raise _culprit(sources, batches, payloads) from None


class _BrokenError(Exception):
    pass


def _framed(
    sources: Sequence[RecordBatches],
    batches: Sequence[RecordBatch],
    payloads: Sequence[bytes | memoryview],
    counts: I8,
) -> Frames:
    n = int(counts.sum())
    size = sum(map(len, payloads))
    blob = container(_RECORDS, payloads, n)  # the only copy: positions refer to its middle
    body = memoryview(blob)[len(blob) - 16 - size : len(blob) - 16]
    out = _walk(body, blob, n)
    timestamp = np.repeat(np.array([b.first_timestamp for b in batches], np.int64), counts) + out[1]
    appended = np.array([b.append_timestamp is not None for b in batches], np.bool_)
    if appended.any():
        stamped = np.array([b.append_timestamp or 0 for b in batches], np.int64)
        timestamp = np.where(np.repeat(appended, counts), np.repeat(stamped, counts), timestamp)
    return Frames(
        body=body,
        source=np.repeat(np.arange(len(sources)), [s.count for s in sources]),
        offset=np.repeat(np.array([b.base for b in batches], np.int64), counts) + out[2],
        timestamp=timestamp,
        key_length=out[3],
        key_at=out[4],
        value_length=out[5],
        value_at=out[6],
        headers=out[7],
        end=out[0],
    )


def _walk(body: memoryview, blob: bytes, n: int) -> I8:
    data = np.frombuffer(body, np.uint8)
    walk = kernel.WALK.worth(n)
    if walk is not None:
        out = np.empty((kernel.ROWS, n), np.int64)
        if walk(data, n, out) != len(data):
            raise _BrokenError
        return out
    try:
        lengths = pl.read_avro(io.BytesIO(blob))["r"].bin.size().to_numpy().astype(np.int64)
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException):
        raise _BrokenError from None
    end = np.cumsum(lengths + varints.unsigned_size(lengths << 1))
    if len(lengths) != n or (n and end[-1] != len(data)):
        raise _BrokenError
    at, broken = end - lengths + 1, np.zeros(n, np.bool_)
    rows = [end]

    def varint() -> I8:
        nonlocal at, broken
        value, at, bad = varints.read(data, at, end)
        broken |= bad
        return value

    rows += [varint(), varint()]
    for _ in range(2):
        length = varint()
        rows += [length, at]
        at = at + np.maximum(length, 0)
    rows.append(varint())
    broken |= (at > end) | ((rows[-1] == 0) & (at != end))
    if broken.any():
        raise _BrokenError
    return np.stack(rows)


def _culprit(
    sources: Sequence[RecordBatches], batches: Sequence[RecordBatch], payloads: Sequence[bytes | memoryview]
) -> CorruptRecordError:
    for batch, payload in zip(batches, payloads, strict=True):
        try:
            _walk(memoryview(payload), container(_RECORDS, [payload], batch.count), batch.count)
        except _BrokenError:
            source = next(s for s in sources if batch in s.batches)
            return CorruptRecordError(
                f"{source.topic}[{source.partition}] at offset {batch.base}: expected {batch.count} records in "
                f"{len(payload)} bytes, got a list that does not end there. Fetch again, or skip the batch"
            )
    raise AssertionError("a batch is broken only beside others")
