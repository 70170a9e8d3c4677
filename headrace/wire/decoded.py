"""What decoding gives: columns of the good records, and the bad ones with their reasons and untouched bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from headrace.avro.varints import I8
from headrace.wire.batches import RecordBatches
from headrace.wire.frames import Frames

Original = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value and headers of a record as they came."""

PARTITION, OFFSET, TIMESTAMP, ROW = "_partition", "_offset", "_timestamp", "_row"


class DeadRecord(NamedTuple):
    """A record that cannot be used, for the dead-letter topic. `timestamp`: Kafka's, in microseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    reason: str
    detail: str


@dataclass(frozen=True)
class Decoded:
    """`frame`: the source's columns in declared order, then `_partition` (Int32), `_offset` (Int64), `_timestamp`
    (Int64, Kafka's, in microseconds) and `_row` (UInt32, for `original`); rows in the order of the batches given,
    then of offsets. `dead`: in the same order. `tombstones`: records with a null value, which are no events.
    """

    frame: pl.DataFrame
    dead: list[DeadRecord]
    tombstones: int
    sources: Sequence[RecordBatches] = field(repr=False)
    frames: Frames = field(repr=False)
    rows: I8 = field(repr=False)

    def original(self, row: int) -> Original:
        """Key, value and headers of the record whose `_row` this is."""
        return self.frames.key(row), self.frames.value(row), self.frames.record_headers(row)

    def topic(self, row: int) -> str:
        """The topic of the record whose `_row` this is."""
        return self.sources[int(self.frames.source[row])].topic

    def dead_letter(self, row: int, reason: str, detail: str) -> DeadRecord:
        """The dead record for a `_row` that a later step refuses."""
        f = self.frames
        source = self.sources[int(f.source[row])]
        return DeadRecord(
            source.topic,
            source.partition,
            int(f.offset[row]),
            int(f.timestamp[row]) * 1_000,
            *self.original(row),
            reason,
            detail,
        )

    def dead_letters(self, refused: Sequence[tuple[int, str, str]]) -> list[DeadRecord]:
        """`dead_letter` of many rows (`_row`, reason, detail), in the order given."""
        f = self.frames
        at = np.array([row for row, _, _ in refused], np.int64)
        order = np.argsort(at, kind="stable")
        back = np.empty(len(at), np.int64)
        back[order] = np.arange(len(at))
        up = at[order]
        keys, values = f.keys(up).gather(back).to_list(), f.values(up).gather(back).to_list()
        bare = f.without_headers(at)
        topics, partitions = [s.topic for s in self.sources], [s.partition for s in self.sources]
        return [
            DeadRecord(
                topics[source],
                partitions[source],
                offset,
                stamp,
                key,
                value,
                [] if no else f.record_headers(row),
                why,
                told,
            )
            for source, offset, stamp, key, value, no, (row, why, told) in zip(
                f.source[at].tolist(),
                f.offset[at].tolist(),
                (f.timestamp[at] * 1_000).tolist(),
                keys,
                values,
                bare.tolist(),
                refused,
                strict=True,
            )
        ]

    @cached_property
    def _keys(self) -> pl.Series:
        return self.frames.keys(self.rows)

    def key_column(self) -> pl.Series:
        """The records' keys, Binary, aligned with `frame` (nulls kept); copied when first asked for."""
        return self._keys
