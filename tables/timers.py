"""Timers as records: the entities that ask to be looked at from one instant on, together, as one flush wrote them.

A flush asks for few instants and many entities (panes end together), so a record a timer would cost a put, a step of an
iterator and a tombstone each. Owns the layout; knows nothing of RocksDB:

    key     prefix | due instant in us (8, big-endian, biased to sort) | unique (8)
    value   how many (4) | the length of each entity's key (4 each) | their keys, one after the other

Timers are a frame: `due` (Int64, us), `key` (Binary, the entity's). Two records may hold the same timer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from headrace.arrow import Ints, binaries

MOST = 500
"""Timers in a record: it is handed out whole."""
_BIAS = 1 << 63
_DUE = struct.Struct(">Q")
_COUNT = struct.Struct("<I")


def instant_key(due: int) -> bytes:
    """What the keys of timers that are due at `due` (us) have behind the prefix; sorts as instants do."""
    return _DUE.pack(due + _BIAS)


def instant_of(key: bytes) -> int:
    """The due instant (us) in the key of a record."""
    return int(_DUE.unpack(key[-16:-8])[0]) - _BIAS


def count_of(value: bytes) -> int:
    """How many timers a record holds."""
    return int(_COUNT.unpack_from(value)[0])


def records(
    prefix: bytes, timers: pl.DataFrame, unique: Callable[[], bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Records (keys, values), earliest first, of timers in any order; `unique()` gives 8 bytes never given before."""
    keys: list[bytes] = []
    values: list[bytes] = []
    if timers.is_empty():
        return keys, values
    due = timers["due"].to_numpy()
    order = np.argsort(due, kind="stable")
    due = due[order]
    texts = timers["key"][order].to_list()
    lengths = np.fromiter(map(len, texts), "<u4", len(texts))
    ends = np.concatenate([[0], np.cumsum(lengths, dtype="i8")])
    blob, sizes = b"".join(texts), lengths.tobytes()
    first = np.flatnonzero(np.concatenate([[True], due[1:] != due[:-1]]))
    starts = _cut(first, len(due))
    for a, b in zip(starts, [*starts[1:], len(due)], strict=True):
        keys.append(prefix + instant_key(int(due[a])) + unique())
        values.append(_COUNT.pack(b - a) + sizes[4 * a : 4 * b] + blob[ends[a] : ends[b]])
    return keys, values


def _cut(starts: Ints, n: int) -> list[int]:
    """Where records begin: at each of `starts`, and after every MOST timers from there on."""
    out: list[int] = []
    for a, b in zip(starts.tolist(), [*starts[1:].tolist(), n], strict=True):
        out.extend(range(a, b, MOST))
    return out


def timers(keys: Sequence[bytes], values: Sequence[bytes]) -> pl.DataFrame:
    """The timers of records, in their order."""
    counts = [count_of(value) for value in values]
    lengths = np.frombuffer(b"".join(v[4 : 4 + 4 * n] for v, n in zip(values, counts, strict=True)), "<u4")
    texts = b"".join(v[4 + 4 * n :] for v, n in zip(values, counts, strict=True))
    offsets = np.concatenate([np.zeros(1, "i8"), np.cumsum(lengths, dtype="i8")])
    due = np.repeat(np.fromiter(map(instant_of, keys), "i8", len(keys)), counts)
    return pl.DataFrame({"due": due, "key": pl.from_arrow(binaries(offsets, np.frombuffer(texts, "u1")))})
