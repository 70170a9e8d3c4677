"""How far the records that a partition has applied have come: the largest record timestamp of each source partition.

Sessions and event ids are let go by it: unlike T, it follows the log, also when a backlog is read under the wall's
clock. Owns one small record of state, key ``r``: pairs of (source partition's number in `_order`, microseconds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from headrace.aggregates.partials import Ints
from headrace.panes.flush import Read, Writes
from headrace.panes.levels import LOWEST

KEY = b"r"
OFFSET_BITS = 41  # of `_order`, below the source partition's number

RECORDED = "_timestamp"
"""The column of projected rows with their record's timestamp (microseconds; null or negative: none)."""


def recorded(frame: pl.DataFrame) -> pl.Series:
    """The record timestamp of each row; its event time where the record has none."""
    stamp = pl.when(pl.col(RECORDED) >= 0).then(pl.col(RECORDED)).otherwise(pl.col("_event_time"))
    return frame.select(stamp.alias(RECORDED)).to_series()


def furthest(rows: pl.DataFrame) -> pl.DataFrame:
    """How far the records of each ``_partition`` have come, by ``source`` (a source partition's number in `_order`)."""
    place = rows.select(
        "_partition", (pl.col("_order") // (1 << OFFSET_BITS)).alias("source"), recorded(rows)
    )
    return place.group_by("_partition", "source").agg(pl.col(RECORDED).max())


def packed(reached: Mapping[int, int]) -> bytes:
    """The record of one partition: how far each of its sources has come."""
    return np.array(sorted(reached.items()), "<i8").tobytes()


class Progress:
    """The records of one step's partitions: read, then moved on by the step's rows."""

    def __init__(self, partitions: Iterable[int], read: Read, rows: pl.DataFrame) -> None:
        self._reached: dict[int, dict[int, int]] = {}
        for partition in partitions:
            value = read(partition, [KEY])[0]
            pairs = [] if value is None else np.frombuffer(value, "<i8").reshape(-1, 2).tolist()
            self._reached[partition] = {int(source): int(at) for source, at in pairs}
        self._moved: set[int] = set()
        for partition, source, at in furthest(rows).iter_rows():
            known = self._reached[partition]
            if at > known.get(source, LOWEST):
                known[source] = at
                self._moved.add(partition)

    def slowest(self) -> dict[int, int]:
        """By partition: where the slowest of its sources is; LOWEST where nothing is known."""
        return {p: min(at.values(), default=LOWEST) for p, at in self._reached.items()}

    def of(self, partitions: Ints) -> Ints:
        """The same for each of these partitions."""
        slowest = self.slowest()
        return np.array([slowest[p] for p in partitions.tolist()], "i8")

    def changes(self) -> dict[int, Writes]:
        """The records to write, by partition."""
        out = {}
        for partition in self._moved:
            out[partition] = Writes([KEY], [packed(self._reached[partition])])
        return out
