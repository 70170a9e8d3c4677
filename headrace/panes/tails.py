"""Tail records in a flush: reading those that a level asks for, and gathering those that it writes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headrace.aggregates.partials import Ints
from headrace.errors import StateError
from headrace.panes.cells import Cells
from headrace.panes.flush import Read, Writes
from headrace.panes.grouping import Batch
from headrace.panes.heads import Layout, tail_keys
from headrace.panes.runs import Moved, tail_groups


class Tails:
    """The tail records of a flush's entities; `state_keys` are the keys of their head records."""

    def __init__(self, layout: Layout, batch: Batch, state_keys: list[bytes], read: Read) -> None:
        self._layout = layout
        self._batch = batch
        self._keys = state_keys
        self._read = read
        self._written: list[tuple[Ints, list[bytes], list[bytes | None]]] = []

    def reader(self, level: int) -> Callable[[Ints, Ints], Cells]:
        """What reads the level's records of (entity, run), entities ascending; one multi-get a partition."""

        def read(entity: Ints, run: Ints) -> Cells:
            keys = self._names(level, entity, run)
            found: list[bytes] = []
            for partition, a, b in self._batch.slices():
                lo, hi = np.searchsorted(entity, [a, b]).tolist()
                if lo == hi:
                    continue
                for key, value in zip(keys[lo:hi], self._read(partition, keys[lo:hi]), strict=True):
                    if value is None:
                        raise StateError(
                            f"partition {partition}: the state has no record {key!r}, which a head record "
                            "says is there. Delete the state folder: it is restored from the changelog"
                        )
                    found.append(value)
            return self._layout.decode_tails(level, found, entity, run)

        return read

    def write(self, level: int, moved: Moved) -> None:
        """Take over what the level's step writes and deletes."""
        entity, run = moved.gone
        if len(entity):
            self._written.append((entity, self._names(level, entity, run), [None] * len(entity)))
        cells = moved.tails
        if len(cells):
            size = self._layout.levels[level].run
            starts = tail_groups(cells, size)
            entity, run = cells.entity[starts], cells.index[starts] // size
            values: list[bytes | None] = list(self._layout.encode_tails(level, cells, starts))
            self._written.append((entity, self._names(level, entity, run), values))

    def add_to(self, writes: dict[int, Writes]) -> None:
        """Add everything to the writes of the partitions."""
        for entity, keys, values in self._written:
            partitions = self._batch.partition[entity]
            for partition in np.unique(partitions).tolist():
                at = np.flatnonzero(partitions == partition).tolist()
                writes[partition].keys.extend(keys[i] for i in at)
                writes[partition].values.extend(values[i] for i in at)

    def _names(self, level: int, entity: Ints, run: Ints) -> list[bytes]:
        texts = [self._keys[i][1:] for i in entity.tolist()]
        return tail_keys(level, texts, run.tolist())
