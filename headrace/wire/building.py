"""Record batches built in memory, as a producer would send them. For tests, benchmarks and embedded runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import crc32c

from headrace.avro.varints import encode
from headrace.wire.batches import CONTROL, HEADER, LOG_APPEND_TIME, TRANSACTIONAL, RecordBatches
from headrace.wire.compression import CODECS, compress

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record to write: `timestamp` in ms; `offset_delta` None for one past its predecessor's."""

    value: bytes | None
    key: bytes | None = None
    timestamp: int = 0
    headers: Headers = ()
    offset_delta: int | None = None


def batch_bytes(
    records: Iterable[Record],
    *,
    base: int = 0,
    codec: str = "none",
    xerial: bool = False,
    append_timestamp: int | None = None,
    producer: int = -1,
    transactional: bool = False,
    control: bool = False,
    last_offset_delta: int | None = None,
) -> bytes:
    """One v2 record batch. `codec`: none, gzip, snappy, lz4 or zstd; `append_timestamp`: the broker's, in ms."""
    items = list(records)
    first = items[0].timestamp if items else -1
    body, delta = bytearray(), -1
    for r in items:
        delta = delta + 1 if r.offset_delta is None else r.offset_delta
        body += _record(r, r.timestamp - first, delta)
    attributes = CODECS[codec] | LOG_APPEND_TIME * (append_timestamp is not None)
    attributes |= TRANSACTIONAL * transactional | CONTROL * control
    latest = max((r.timestamp for r in items), default=-1) if append_timestamp is None else append_timestamp
    last = delta if last_offset_delta is None else last_offset_delta
    payload = compress(bytes(body), CODECS[codec], xerial=xerial)
    fields = (attributes, last, first, latest, producer, 0, -1, len(items))
    length = HEADER.size - 12 + len(payload)
    crc = crc32c.crc32c(HEADER.pack(0, 0, 0, 2, 0, *fields)[21:] + payload)
    return HEADER.pack(base, length, 0, 2, crc, *fields) + payload


def control_bytes(*, base: int, producer: int, commit: bool) -> bytes:
    """The control batch that ends a transaction."""
    key = b"\x00\x00" + (b"\x00\x01" if commit else b"\x00\x00")
    return batch_bytes(
        [Record(b"\x00" * 6, key)], base=base, producer=producer, transactional=True, control=True
    )


def record_batches(
    records: Iterable[Record],
    *,
    topic: str = "topic",
    partition: int = 0,
    base: int = 0,
    start: int | None = None,
    codec: str = "none",
    batch_size: int = 3_000,
) -> RecordBatches:
    """Records with consecutive offsets from `base`, in batches of `batch_size`, as if fetched from `start`."""
    items = list(records)
    parts = [
        batch_bytes(items[i : i + batch_size], base=base + i, codec=codec)
        for i in range(0, len(items), batch_size)
    ]
    return RecordBatches.parse(topic, partition, base if start is None else start, b"".join(parts))


def _record(r: Record, timestamp_delta: int, offset_delta: int) -> bytes:
    body = bytearray(b"\x00")
    body += encode(timestamp_delta)
    body += encode(offset_delta)
    body += _bytes(r.key)
    body += _bytes(r.value)
    body += encode(len(r.headers))
    for name, value in r.headers:
        body += _bytes(name.encode())
        body += _bytes(value)
    return encode(len(body)) + bytes(body)


def _bytes(value: bytes | None) -> bytes:
    return encode(-1) if value is None else encode(len(value)) + value
