"""Kafka's v2 record batches, built: records as columns in, the bytes of whole batches out.

The other direction of `batches` and `frames`. No Python object per record: a batch's records are one joined Arrow
column, whose data buffer is what goes to the broker (KIP-98, "Record": length, attributes, timestamp delta, offset
delta, key, value, headers). Never compresses, and writes one timestamp for all records of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import crc32c
import numpy as np
import pyarrow as pa

from headrace.arrow import binaries, constant, joined
from headrace.avro import varints
from headrace.avro.varints import I8, U1
from headrace.wire.batches import HEADER, TRANSACTIONAL
from headrace.wire.building_kernel import LAY

Headers = Sequence[tuple[str, bytes]]

_OVERHEAD = 61 - 12  # what a batch's length counts before its records
_CHECKED = 21  # the checksum covers everything from the attributes on
_SHORT = 1_000
_NO_HEADERS = b"\x00"
_SAME_TIME = constant(b"\x00\x00")  # attributes, and no timestamp delta


@dataclass(frozen=True, slots=True)
class BuiltRecords:
    """The records of one batch: `count` of them in `data`, their offsets from 0 on."""

    count: int
    data: memoryview

    def batch(
        self, timestamp: int, producer: tuple[int, int, int] = (-1, -1, -1), *, transactional: bool = False
    ) -> bytes:
        """The whole batch, at `timestamp` (ms), of `producer`: its id, epoch and the first record's sequence."""
        head = bytearray(HEADER.size)
        attributes = TRANSACTIONAL if transactional else 0
        size = _OVERHEAD + len(self.data)
        last = self.count - 1
        HEADER.pack_into(
            head, 0, 0, size, -1, 2, 0, attributes, last, timestamp, timestamp, *producer, self.count
        )
        crc = crc32c.crc32c(self.data, crc32c.crc32c(head[_CHECKED:]))
        head[_CHECKED - 4 : _CHECKED] = crc.to_bytes(4, "big")
        return bytes(head) + self.data


@dataclass(frozen=True, slots=True)
class Part:
    """Records that go to one partition, as columns. `headers`: one encoded list (`encoded_headers`) for all of them, or
    one each."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[bytes]

    def each(self) -> Sequence[bytes]:
        """The encoded headers of every record."""
        return self.headers if len(self.headers) == len(self.keys) else [self.headers[0]] * len(self.keys)


def build(parts: Sequence[Part], limit: int) -> list[list[BuiltRecords]]:
    """The records of each part in order, in batches of at most `limit` bytes; a single larger record has a batch of its
    own.

    All parts in one pass: for a few records each call of a library costs more than they do.
    """
    keys, key = _joined(list(chain.from_iterable(p.keys for p in parts)))
    values, value = _joined(list(chain.from_iterable(p.values for p in parts)))
    common = {p.headers[0] if len(p.headers) == 1 else None for p in parts}
    same = next(iter(common)) if len(common) == 1 else None
    if same is not None:
        headers, more = np.frombuffer(same, np.uint8), np.full(len(key), len(same))
    else:
        headers, more = _joined(list(chain.from_iterable(p.each() for p in parts)))
    payload = np.maximum(key, 0) + np.maximum(value, 0) + more
    bounds = np.cumsum([0, *(len(p.keys) for p in parts)]).tolist()
    starts = [_starts(payload[a:b] + 32, limit) + a for a, b in pairwise(bounds)]
    first = np.concatenate([*starts, [len(key)]])
    delta = np.arange(len(key)) - np.repeat(first[:-1], np.diff(first))
    sizes = varints.zigzag_size(np.concatenate([delta, key, value])).reshape(3, -1).sum(axis=0)
    length = 2 + sizes + payload
    lay = LAY.worth(len(key))
    if lay is not None:
        ends = np.concatenate([[0], np.cumsum(length + varints.zigzag_size(length))])
        data = np.empty(int(ends[-1]), np.uint8)
        lay(length, delta, key, keys, value, values, more, headers, same is not None, data)
        whole = memoryview(data)  # type: ignore[arg-type]
    else:
        given = constant(same) if same is not None else _column(headers, more)
        body, delta_, key_, value_ = _varints(length, delta, key, value)
        column = joined(
            body, _SAME_TIME, delta_, key_, _column(keys, key), value_, _column(values, value), given
        )
        _, offsets, laid = column.buffers()
        ends = np.frombuffer(offsets, np.int64)[column.offset :]
        whole = memoryview(laid) if laid is not None else memoryview(b"")
    out = []
    for begins, end in zip(starts, bounds[1:], strict=True):
        cuts = [*begins.tolist(), end]
        out.append([BuiltRecords(b - a, whole[ends[a] : ends[b]]) for a, b in pairwise(cuts)])
    return out


def _joined(items: Sequence[bytes | None]) -> tuple[U1, I8]:
    """The bytes of all, none for a null, and their sizes, -1 for a null."""
    missing = None
    try:
        size = np.fromiter(map(len, items), np.int64, len(items))  # type: ignore[arg-type]
    except TypeError:
        missing = np.fromiter((i is None for i in items), np.bool_, len(items))
        items = [i or b"" for i in items]
        size = np.fromiter(map(len, items), np.int64, len(items))  # type: ignore[arg-type]
    data = np.frombuffer(b"".join(items), np.uint8)  # type: ignore[arg-type]
    if missing is not None:
        size[missing] = -1
    return data, size


def _column(data: U1, size: I8) -> pa.LargeBinaryArray:
    """Consecutive bytes as values of these sizes."""
    return binaries(np.concatenate([[0], np.cumsum(np.maximum(size, 0))]), data)


def _varints(*columns: I8) -> Iterator[pa.LargeBinaryArray]:
    """Each column as varints: short ones together, for a call costs more than their rows."""
    n = len(columns[0])
    if n > _SHORT:
        return map(varints.column, columns)
    together = varints.column(np.concatenate(columns))
    return (together.slice(i * n, n) for i in range(len(columns)))


def encoded_headers(headers: Headers) -> bytes:
    """A record's headers as they lie in it."""
    if not headers:
        return _NO_HEADERS
    out = [varints.encode(len(headers))]
    for name, value in headers:
        raw = name.encode()
        out += [varints.encode(len(raw)), raw, varints.encode(len(value)), value]
    return b"".join(out)


def _starts(size: I8, limit: int) -> I8:
    """Where batches begin: each takes records while their sizes are within `limit`, and at least one."""
    ends = np.cumsum(size)
    starts = [0] if len(size) else []
    while starts:
        before = int(ends[starts[-1] - 1]) if starts[-1] else 0
        following = max(int(np.searchsorted(ends, before + limit, "right")), starts[-1] + 1)
        if following >= len(size):
            break
        starts.append(following)
    return np.array(starts, np.int64)
