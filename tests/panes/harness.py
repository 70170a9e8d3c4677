"""A small engine for tests: state in a dict, timers in sets, an online store, and restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from headrace.panes import NO_TIMERS, ViewCore
from headrace.plan import SourcePlan, ViewPlan

BEFORE = -(2**63)


class Engine:
    """Runs one view over pushed frames, flush by flush."""

    def __init__(self, plan: ViewPlan, clock: Any) -> None:
        self.plan, self.clock = plan, clock
        self.source = SourcePlan(plan.view.source)
        self.core = ViewCore(plan, clock=clock)
        self.state: dict[tuple[int, bytes], bytes] = {}
        self.timers: dict[int, set[tuple[int, bytes]]] = {}
        self.clocks: dict[int, int] = {}
        self.online: dict[str, dict[str, Any]] = {}
        self.as_of: dict[str, int] = {}
        self.empty = pl.DataFrame(schema=plan.row_schema)
        self.late = 0

    def read(self, partition: int, keys: list[bytes]) -> list[bytes | None]:
        return [self.state.get((partition, k)) for k in keys]

    def accept(self, frame: pl.DataFrame, wall: int) -> pl.DataFrame:
        """The view's rows of a flush; the clocks move on."""
        accepted = self.source.accept(frame, clock=self.clock)
        for p in (0, 1):
            if self.clock == "wall":
                self.clocks[p] = max(wall, self.clocks.get(p, BEFORE))
            elif self.clock == "event":
                self.clocks[p] = max(accepted.max_event_time.get(p, BEFORE), self.clocks.get(p, BEFORE))
            else:
                self.clocks[p] = self.clock
        return self.plan.project(accepted.frame).rows

    def flush(self, rows: pl.DataFrame, *, with_timers: bool = False) -> None:
        """One step with the rows (and the timers that are due), then the timers still due."""
        self.step(rows, self.due() if with_timers else {})
        while due := self.due():
            self.step(self.empty, due)

    def due(self) -> dict[int, pl.DataFrame]:
        found = {p: [t for t in ts if t[0] <= self.clocks.get(p, BEFORE)] for p, ts in self.timers.items()}
        return {p: timers(*ts) for p, ts in found.items() if ts}

    def step(self, rows: pl.DataFrame, due: dict[int, pl.DataFrame]) -> None:
        update = self.core.step(rows, due, self.clocks, self.read)
        self.late += update.late_events
        for p, fired in due.items():
            self.timers[p].difference_update(fired.rows())
        for p, writes in update.partitions.items():
            assert len(set(writes.keys)) == len(writes.keys)
            for key, value in zip(writes.keys, writes.values, strict=True):
                if value is None:
                    self.state.pop((p, key), None)
                else:
                    self.state[p, key] = value
            self.timers.setdefault(p, set()).update(writes.timers.rows())
        assert update.online["_partition"].is_sorted()
        for row in update.online.iter_rows(named=True):
            key = row["_key"]
            assert row["_as_of"] >= self.as_of.get(key, BEFORE), "T never falls"
            self.as_of[key] = row["_as_of"]
            if row["_remove"]:
                self.online.pop(key, None)
            else:
                self.online[key] = row

    def lose(self, rows: pl.DataFrame) -> None:
        """Compute a step with these rows and throw it away, as a crash before the commit does."""
        self.core.step(rows, self.due(), self.clocks, self.read)

    def restart(self) -> None:
        """A new process with the same state: timers come from the records."""
        self.core = ViewCore(self.plan, clock=self.clock)
        asked: dict[int, set[tuple[int, bytes]]] = {}
        for p in (0, 1):
            asked[p] = set(timers_of(self.core, {k: v for (q, k), v in self.state.items() if q == p}))
            assert asked[p] <= self.timers.get(p, set())
        self.timers = asked


def timers(*given: tuple[int, bytes]) -> pl.DataFrame:
    """Timers (due us, entity key) as the engine has them."""
    return pl.DataFrame(given, NO_TIMERS.schema, orient="row")


def timers_of(core: ViewCore, state: Mapping[bytes, bytes]) -> list[tuple[int, bytes]]:
    """The timers (due us, entity key) that state records ask for when they are restored."""
    records = pl.DataFrame(
        {"key": list(state), "value": list(state.values())}, schema={"key": pl.Binary, "value": pl.Binary}
    )
    return core.timers_of(records).rows()
