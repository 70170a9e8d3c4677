"""One view under test: its state as a dict of bytes, its timers, its online store and its history of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from headrace.offline.point_in_time import point_in_time
from headrace.online.keys import entity_key
from headrace.panes import NO_TIMERS, ViewCore
from headrace.panes.duplicates import without_copies
from headrace.panes.heads import entity_of
from headrace.plan import ViewPlan
from headrace.testing.store import Store


class ViewRun:
    """A view's plan with everything that a worker would keep for it."""

    def __init__(self, plan: ViewPlan, project: str, clock: Literal["wall", "event"] | int) -> None:
        self.plan = plan
        self.store = Store(plan, project)
        self._core = ViewCore(plan, clock=clock)
        self._fixed = isinstance(clock, int)
        self._state: dict[tuple[int, bytes], bytes] = {}
        self._timers: set[tuple[int, bytes]] = set()
        self._rows: list[pl.DataFrame] = []
        self._empty = pl.DataFrame(schema=plan.row_schema)
        self.late_events = 0

    def step(
        self,
        rows: pl.DataFrame | None,
        due: Mapping[int, pl.DataFrame],
        clocks: Mapping[int, int],
        now: int,
    ) -> pl.DataFrame:
        """One flush: state, timers and online store take its update over. Returns what is emitted (`Update.online`)."""
        update = self._core.step(self._empty if rows is None else rows, due, clocks, self._read)
        for fired in due.values():
            self._timers.difference_update(fired.rows())
        for partition, writes in update.partitions.items():
            for key, value in zip(writes.keys, writes.values, strict=True):
                if value is None:
                    self._state.pop((partition, key), None)
                else:
                    self._state[partition, key] = value
            self._timers.update(writes.timers.rows())
        self.late_events += update.late_events
        self.store.write(update.online, now)
        return update.online

    def due(self, clock: int) -> pl.DataFrame | None:
        """The timers (`due`, `key`) that fire at `clock`, in order; None if there are none."""
        found = sorted(t for t in self._timers if t[0] <= clock)
        return pl.DataFrame(found, NO_TIMERS.schema, orient="row") if found else None

    def entities(self) -> list[bytes]:
        """The entities that have state."""
        return [e for _, key in self._state if (e := entity_of(key)) is not None]

    def keep(self, rows: pl.DataFrame) -> None:
        """Add rows to the view's history."""
        self._rows.append(rows)

    def seen(self, now: int, clock: int) -> pl.DataFrame:
        """Every entity of the history with the T that it has now: (`_key`, `_at`)."""
        newest = self._history().group_by("_key").agg(pl.col("_event_time").max().alias("_at"))
        if self._fixed:
            return newest.with_columns(pl.lit(clock, dtype=pl.Int64).alias("_at"))
        return newest.with_columns(pl.max_horizontal("_at", pl.lit(clock, dtype=pl.Int64)))

    def asked(self, spine: pl.DataFrame, timestamp: str) -> pl.DataFrame:
        """The (`_key`, `_at`) of each row of a spine."""
        keys = self.plan.view.entity.keys
        key = entity_key([pl.col(k).cast(t.polars) for k, t in keys.items()], list(keys.values()))
        return spine.select(key.alias("_key"), pl.col(timestamp).cast(pl.Int64).alias("_at"))

    def point_in_time(self, asked: pl.DataFrame, *, strict: bool = False) -> pl.DataFrame:
        """The features of each asked row, by the history."""
        return point_in_time(self.plan, self._history(), asked, strict=strict)

    def _history(self) -> pl.DataFrame:
        rows = pl.concat([self._empty, *self._rows], rechunk=True)
        return rows if self.plan.dedup is None else without_copies(rows, self.plan.dedup)

    def _read(self, partition: int, keys: list[bytes]) -> list[bytes | None]:
        return [self._state.get((partition, key)) for key in keys]
