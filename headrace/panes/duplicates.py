"""Copies of an event that are on the topic already: told by their event id, and left out.

State maps an id to the place and the record timestamp of its first event, key ``i`` + id. An event is left out if
another of its id came first, less than `dedup` before it; so the same record, read again, is no copy of itself. Which
ids came in is also noted in a queue (records ``x`` + number, its ends under ``q``), by which they go when the records
of the partition have come further than anything within `dedup`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.partials import Bools, Ints
from headrace.arrow import codes
from headrace.panes.flush import Read, Writes
from headrace.panes.progress import recorded

EVENT_ID = "_event_id"
"""The column of projected rows with the text of their event's id; null for an event that has none."""

QUEUE = b"q"
SWEPT = 4  # records of the queue that one step may take off: more than it adds, so that the queue stays short

Stored: TypeAlias = Callable[[list[bytes]], list[bytes | None]]

_ENDS = Struct("<qq")
_FIRST = Struct("<qq")
_NUMBER = Struct(">Q")


@dataclass(frozen=True)
class First:
    """The first event of each id: its place (`_order`) and its record's timestamp, by number of the id."""

    order: Ints
    at: Ints
    known: Bools


def without_copies(rows: pl.DataFrame, dedup: int) -> pl.DataFrame:
    """The rows without copies, in their order; of rows that are all there is (history)."""
    in_order = rows.with_row_index("_i").sort("_order")
    kept, _ = _judged(in_order, dedup, lambda ids: [None] * len(ids))
    return in_order.filter(kept).sort("_i").drop("_i")


class Copies:
    """The copies among one step's rows, of `dropped`, and the `rows` without them."""

    def __init__(self, rows: pl.DataFrame, read: Read, dedup: int) -> None:
        self._new: dict[int, pl.DataFrame] = {}
        self._read, self._dedup = read, dedup
        self.partitions = rows["_partition"].unique(maintain_order=True).to_list()
        kept = pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(rows))
        for partition in self.partitions:
            mine = rows["_partition"] == partition
            part = rows.filter(mine)
            found, new = _judged(part, dedup, partial(read, partition))
            if not found.all():
                kept = kept.scatter(mine.arg_true(), found)
            self._new[partition] = new
        self.dropped = int((~kept).sum())
        self.rows = rows if self.dropped == 0 else rows.filter(kept)

    def changes(self, reached: Mapping[int, int], slack: int) -> dict[int, Writes]:
        """What the step writes for them, by partition; ids that have had their time go.

        `reached`: how far each partition's records have come; `slack`: by how much their timestamps may go back.
        """
        out = {}
        for partition, new in self._new.items():
            writes = Writes(new["key"].to_list(), [*_pairs(new["order"].to_numpy(), new["at"].to_numpy())])
            stored = self._read(partition, [QUEUE])[0]
            head, tail = (0, 0) if stored is None else _ENDS.unpack(stored)
            head_after, gone = self._over(partition, head, tail, reached[partition] - self._dedup - slack)
            fresh = set(writes.keys)
            self._put(writes, [key for key in gone if key not in fresh], None)
            if len(new):
                note = _ENDS.pack(int(new["at"].to_numpy().max()), len(new)) + _packed(new["key"])
                self._put(writes, [b"x" + _NUMBER.pack(tail)], note)
                tail += 1
            if writes.keys:
                self._put(writes, [QUEUE], _ENDS.pack(head_after, tail))
                out[partition] = writes
        return out

    def _over(self, partition: int, head: int, tail: int, before: int) -> tuple[int, list[bytes]]:
        """(where the queue begins after taking off records whose ids all came before that instant, keys to delete)."""
        names = [b"x" + _NUMBER.pack(n) for n in range(head, min(tail, head + SWEPT))]
        ids: list[bytes] = []
        taken = 0
        for note in self._read(partition, names) if names else []:
            if note is None or _ENDS.unpack_from(note)[0] > before:
                break
            ids += _unpacked(note)
            taken += 1
        ids = list(dict.fromkeys(ids))
        firsts = _firsts(self._read(partition, ids)) if ids else _firsts([])
        old = np.flatnonzero(firsts.known & (firsts.at <= before)).tolist()
        return head + taken, [ids[i] for i in old] + names[:taken]

    @staticmethod
    def _put(writes: Writes, keys: Sequence[bytes], value: bytes | None) -> None:
        writes.keys += keys
        writes.values += [value] * len(keys)


def _judged(rows: pl.DataFrame, dedup: int, stored: Stored) -> tuple[pl.Series, pl.DataFrame]:
    """(which rows are no copies, the ids with a new first event: key, order, at); rows in the order they came."""
    given = rows[EVENT_ID]
    there = given.is_not_null()
    number, keys = _numbered(given.drop_nulls())
    firsts = _firsts(stored(keys.to_list()))
    order = rows["_order"].to_numpy()[there.to_numpy()]
    at = recorded(rows).to_numpy()[there.to_numpy()]
    first_order, first_at, known = firsts.order.copy(), firsts.at.copy(), firsts.known.copy()
    kept, waiting = np.zeros(len(number), "?"), np.arange(len(number))
    while len(waiting):  # once, and once more for each id that comes again after its time
        i = number[waiting]
        itself = known[i] & (first_order[i] == order[waiting])
        copy = known[i] & ~itself & (np.abs(at[waiting] - first_at[i]) < dedup)
        kept[waiting[itself]] = True
        fresh = waiting[~copy & ~itself]
        _, begin = np.unique(number[fresh], return_index=True)
        new = fresh[begin]
        kept[new] = True
        first_order[number[new]], first_at[number[new]], known[number[new]] = order[new], at[new], True
        following = np.full(len(keys), len(number))
        following[number[new]] = new
        # What came after the next first event of its id is judged by that one: timestamps may go back and forth.
        waiting = waiting[~itself & (waiting > following[i])]
    moved = known & ~(firsts.known & (firsts.order == first_order))
    new_ids = pl.DataFrame(
        {"key": keys, "order": pl.Series(first_order), "at": pl.Series(first_at)}, strict=False
    ).filter(pl.Series(moved, dtype=pl.Boolean))
    result = np.ones(len(rows), "?")
    result[there.to_numpy()] = kept
    return pl.Series(result), new_ids


def _numbered(ids: pl.Series) -> tuple[Ints, pl.Series]:
    """The number of each row's id, and the state key of each id by number."""
    encoded = ids.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    texts = pl.Series("id", encoded.dictionary, dtype=pl.String)
    keys = texts.to_frame().select(pl.concat_str(pl.lit("i"), "id").cast(pl.Binary)).to_series()
    return codes(encoded), keys


def _firsts(values: Sequence[bytes | None]) -> First:
    known = np.fromiter((v is not None for v in values), "?", len(values))
    words = np.zeros((len(values), 2), "<i8")
    words[known] = np.frombuffer(b"".join(v for v in values if v is not None), "<i8").reshape(-1, 2)
    return First(words[:, 0], words[:, 1], known)


def _pairs(order: Ints, at: Ints) -> list[bytes]:
    memory = np.stack([order, at], axis=1).astype("<i8").tobytes()
    return [memory[i : i + _FIRST.size] for i in range(0, len(memory), _FIRST.size)]


def _packed(keys: pl.Series) -> bytes:
    """Where each key ends, and the keys."""
    ends = np.cumsum(keys.bin.size().to_numpy().astype("<i8"))
    return ends.astype("<i8").tobytes() + b"".join(keys.to_list())


def _unpacked(note: bytes) -> list[bytes]:
    count = _ENDS.unpack_from(note)[1]
    body = _ENDS.size + 8 * count
    offsets = b"\x00" * 8 + note[_ENDS.size : body]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(note[body:])]
    found: list[bytes] = pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, buffers).to_pylist()
    return found
