"""Kafka's v2 record batches, built: records as columns in, the bytes of whole batches out.

The other direction of `batches` and `frames`. No Python object per record: a batch's records are one joined Arrow
column, whose data buffer is what goes to the broker (KIP-98, "Record": length, attributes, timestamp delta, offset
delta, key, value, headers). Never compresses, and writes one timestamp for all records of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import crc32c
import numpy as np
import polars as pl

from headrace.arrow import constant, joined
from headrace.avro import varints
from headrace.avro.varints import I8
from headrace.wire.batches import HEADER, TRANSACTIONAL

Headers = Sequence[tuple[str, bytes]]

_OVERHEAD = 61 - 12  # what a batch's length counts before its records
_CHECKED = 21  # the checksum covers everything from the attributes on
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


def build(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    headers: Sequence[bytes],
    limit: int,
) -> list[BuiltRecords]:
    """Records in order, in batches of at most `limit` bytes; a single larger record has a batch of its own.

    `headers`: one encoded list (`encoded_headers`) for all records, or one each.
    """
    n = len(keys)
    if not n:
        return []
    frame = pl.DataFrame({"key": keys, "value": values}, schema={"key": pl.Binary, "value": pl.Binary})
    sizes = frame.select(pl.all().bin.size().cast(pl.Int64).fill_null(-1))
    key, value = sizes["key"].to_numpy(), sizes["value"].to_numpy()
    own = len(headers) == n and n > 1
    more = np.fromiter(map(len, headers), np.int64) if own else np.full(n, len(headers[0]))
    payload = np.maximum(key, 0) + np.maximum(value, 0) + more
    starts = _starts(payload + 32, limit)
    delta = np.arange(n) - np.repeat(starts, np.diff(starts, append=n))
    sized = varints.zigzag_size
    body = 2 + sized(delta) + sized(key) + sized(value) + payload
    filled = frame.select(pl.all().fill_null(b""))
    column = joined(
        varints.column(body),
        _SAME_TIME,
        varints.column(delta),
        varints.column(key),
        filled["key"].to_arrow(),
        varints.column(value),
        filled["value"].to_arrow(),
        pl.Series(headers, dtype=pl.Binary).to_arrow() if own else constant(headers[0]),
    )
    _, offsets, data = column.buffers()
    cuts = np.frombuffer(offsets, np.int64)[column.offset :][np.append(starts, n)].tolist()
    counts = np.diff(starts, append=n).tolist()
    whole = memoryview(data)
    return [BuiltRecords(c, whole[a:b]) for c, (a, b) in zip(counts, pairwise(cuts), strict=True)]


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
    starts = [0]
    while True:
        before = int(ends[starts[-1] - 1]) if starts[-1] else 0
        following = max(int(np.searchsorted(ends, before + limit, "right")), starts[-1] + 1)
        if following >= len(size):
            return np.array(starts, np.int64)
        starts.append(following)
