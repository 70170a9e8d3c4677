"""Incoming rows: their partials, made once for each algebra and input, and the panes that a level gets of
them.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.panes.cells import Cells, none_of, starts_of
from headrace.panes.grouping import Batch
from headrace.panes.intervals import begins
from headrace.panes.levels import Level, Slot
from headrace.panes.progress import recorded


class Incoming:
    """The sorted rows of a flush."""

    def __init__(self, frame: pl.DataFrame, batch: Batch) -> None:
        self.frame = frame
        self.batch = batch
        self._made: dict[tuple[Algebra, str | None], Partials] = {}

    def panes(self, level: Level, oldest: Ints, counts: Bools | None) -> Cells:
        """The level's panes of the rows, sorted; without rows before the pane `oldest` of their entity,
        rows that do not count (None: all do), and panes in which nothing has a value."""
        batch = self.batch
        entity, index = batch.entity, level.index_of(batch.rows.time)
        keep = None
        if level.step:
            keep = index >= oldest[entity]
        if counts is not None:
            keep = counts if keep is None else keep & counts
        chosen = None if keep is None or keep.all() else np.flatnonzero(keep)
        if chosen is not None:
            entity, index = entity[chosen], index[chosen]
        if len(entity) == 0:
            return none_of(level.shape)
        starts = starts_of(entity, index)
        slots = []
        for slot in level.slots:
            rows = self._partials(slot)
            slots.append(slot.algebra.merge(rows if chosen is None else rows.take(chosen), starts))
        cells = Cells(entity[starts], index[starts], level.shape.stack(slots))
        return cells.take(cells.stack.has)

    def in_time(self, level: Level) -> Bools:
        """Which rows count for the level's sessions: those not too late for their own record's timestamp."""
        made: Bools = self._recorded - self.batch.rows.time <= level.gap + level.lateness
        return made

    def sessions(self, level: Level, counts: Bools | None) -> Cells:
        """The sessions that the rows make by themselves, sorted; without rows that do not count."""
        keep = self.in_time(level)
        chosen = np.flatnonzero(keep if counts is None else keep & counts)
        if not len(chosen):
            return none_of(level.shape)
        entity, time = self.batch.entity[chosen], self.batch.rows.time[chosen]
        starts = np.flatnonzero(begins(entity, time, time, level.gap))
        slots = [s.algebra.merge(self._partials(s).take(chosen), starts) for s in level.slots]
        return Cells(entity[starts], np.zeros(len(starts), "i8"), level.shape.stack(slots))

    @cached_property
    def _recorded(self) -> Ints:
        return recorded(self.frame).to_numpy()[self.batch.at]

    def _partials(self, slot: Slot) -> Partials:
        key = (slot.algebra, slot.input)
        if key not in self._made:
            self._made[key] = slot.algebra.of_rows(self._column(slot.input), self.batch.rows)
        return self._made[key]

    def _column(self, name: str | None) -> pl.Series:
        if name is None:
            return pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(self.batch.at))
        return self.frame[name][self.batch.at]
