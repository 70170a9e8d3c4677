"""Zigzag varints, whole columns at a time: sizes and values. Knows no record and no schema.

Avro and Kafka's record format share this encoding (Apache Avro 1.12, "Binary Encoding"; KIP-98).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.arrow import binaries

I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

LONGEST = 10
"""Bytes of the longest varint that holds 64 bits."""


def unsigned_size(u: npt.NDArray[np.uint64] | I8) -> I8:
    """Bytes of each unsigned varint (values not negative); compares only up to the largest value present."""
    if not len(u):
        return np.zeros(0, np.int64)
    low, high = int(u.min()), int(u.max())
    bits = 7
    while low >> bits:
        bits += 7
    size = np.full(len(u), bits // 7, np.int64)
    while high >> bits:
        size += u >= u.dtype.type(1 << bits)
        bits += 7
    return size


def zigzag_size(values: npt.NDArray[np.signedinteger]) -> I8:
    """Bytes of each value as Avro writes an int or long."""
    v = values.astype(np.int64, copy=False)
    return unsigned_size(((v << 1) ^ (v >> 63)).view(np.uint64))


def unzigzag(raw: npt.NDArray[np.uint64]) -> I8:
    """The signed values behind zigzag-coded ones."""
    return np.asarray((raw >> np.uint64(1)).view(np.int64) ^ -(raw & np.uint64(1)).view(np.int64))


def column(values: I8) -> pa.LargeBinaryArray:
    """Each value as a zigzag varint: a binary column."""
    u = ((values << 1) ^ (values >> 63)).view(np.uint64)
    size = unsigned_size(u)
    width = int(size.max(initial=1))
    raw = np.empty((len(u), width), np.uint8)
    for i in range(width):
        more = np.where(size > i + 1, np.uint8(0x80), np.uint8(0))
        raw[:, i] = ((u >> np.uint64(7 * i)).astype(np.uint8) & 0x7F) | more
    data = raw[np.arange(width) < size[:, None]] if width > 1 else raw
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    return binaries(offsets, data)


def encode(value: int) -> bytes:
    """One signed value as a zigzag varint."""
    u = (value << 1) ^ (value >> 63)
    out = bytearray()
    while u & ~0x7F:
        out.append((u & 0x7F) | 0x80)
        u >>= 7
    out.append(u)
    return bytes(out)


def decode(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The signed varint at position `at`, and the position behind it. ValueError if it does not end."""
    u = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a varint does not end")
        byte = data[at]
        at += 1
        u |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (u >> 1) ^ -(u & 1), at
        shift += 7


def read(data: U1, at: I8, limit: I8 | int) -> tuple[I8, I8, Mask]:
    """One varint at each position `at` of `data`, none reading at or beyond its `limit`.

    Gives values, positions behind them, and a mask of those that do not end in time or take more than ten
    bytes (value and position mean nothing there, but the position is never beyond the limit).
    """
    top = np.broadcast_to(np.minimum(limit, len(data)), at.shape)
    bad = at >= top
    safe = len(data) - 1
    if safe < 0:
        return np.zeros(len(at), np.int64), at.copy(), bad
    first = data[np.minimum(at, safe)] if bad.any() else data[at]
    raw = (first & 0x7F).astype(np.uint64)
    after = np.where(bad, at, at + 1) if bad.any() else at + 1
    open_ = np.flatnonzero((first >= 128) & ~bad)
    shift = 7
    while len(open_):
        ends = (after[open_] >= top[open_]) | (shift > 63)
        if ends.any():
            bad[open_[ends]] = True
            open_ = open_[~ends]
            continue
        byte = data[after[open_]]
        raw[open_] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
        after[open_] += 1
        open_ = open_[byte >= 128]
        shift += 7
    return unzigzag(raw), after, bad
