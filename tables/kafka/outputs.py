"""What is written to Kafka's partitions: records as columns, and the record batches that are built from them.

All partitions of a flush are built together, in the thread that computes it: the event loop only sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from aiokafka import TopicPartition

from headrace.wire.batching import BuiltRecords, Headers, Part, build, encoded_headers

AT_ONCE = 16_384  # records that are in memory twice while their batches are built
BATCH_BYTES = 900_000  # below the broker's default message.max.bytes (1,048,588)


@dataclass(frozen=True, slots=True)
class Records:
    """Records to write, as columns: `values[i]` under `keys[i]`, a value of None is a tombstone.

    All of them carry the same `headers`, or, where given, `each` its own.
    """

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Headers = ()
    each: Sequence[Headers] | None = None

    def __len__(self) -> int:
        return len(self.keys)


def record(key: bytes | None, value: bytes | None, headers: Headers = ()) -> Records:
    """A single record."""
    return Records((key,), (value,), headers)


Outputs = Mapping[TopicPartition, Sequence[Records]]
"""What a flush writes to each partition, in order."""
Batches = Mapping[TopicPartition, Sequence[BuiltRecords]]
"""The same, as record batches."""


def built(outputs: Sequence[Outputs]) -> list[Batches]:
    """The record batches of each, of at most BATCH_BYTES; a single larger record has a batch of its own."""
    out: list[dict[TopicPartition, list[BuiltRecords]]] = [{tp: [] for tp in o} for o in outputs]
    wanted = [(out[i][tp], _part(records)) for i, o in enumerate(outputs) for tp, records in o.items()]
    for pieces in _groups(wanted):
        for (to, _), batches in zip(pieces, build([p for _, p in pieces], BATCH_BYTES), strict=True):
            to += batches
    return out  # type: ignore[return-value]


Piece = tuple[list[BuiltRecords], Part]


def _groups(wanted: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The parts in groups of about AT_ONCE records, longer ones cut."""
    group: list[Piece] = []
    size = 0
    for to, part in wanted:
        for a in range(0, len(part.keys), AT_ONCE):
            b = a + AT_ONCE
            own = part.headers if len(part.headers) == 1 else part.headers[a:b]
            piece = Part(part.keys[a:b], part.values[a:b], own)
            group.append((to, piece))
            size += len(piece.keys)
            if size >= AT_ONCE:
                yield group
                group, size = [], 0
    if group:
        yield group


def _part(records: Sequence[Records]) -> Part:
    if len(records) == 1:
        keys, values = records[0].keys, records[0].values
    else:
        keys = list(chain.from_iterable(r.keys for r in records))
        values = list(chain.from_iterable(r.values for r in records))
    return Part(keys, values, _headers(records))


def _headers(records: Sequence[Records]) -> list[bytes]:
    """Encoded headers: one for all records if they are the same, else one each."""
    if all(r.each is None and r.headers == records[0].headers for r in records):
        return [encoded_headers(records[0].headers)] if records else []
    out: list[bytes] = []
    for r in records:
        out += [encoded_headers(r.headers)] * len(r) if r.each is None else map(encoded_headers, r.each)
    return out
