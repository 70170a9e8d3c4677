"""The step of a view's panes: rows and fired timers in, state writes and online values out.

A pipeline of columnar functions without input or output of its own but one callable that reads state. Cost
follows the dirty (entity, pane) pairs of a flush, not its events and not an entity's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol, TypeAlias

import numpy as np
import polars as pl

from headrace.aggregates.partials import Bools, Ints
from headrace.panes.cells import Cells
from headrace.panes.duplicates import Copies
from headrace.panes.emitting import Values, values
from headrace.panes.expiry import chains
from headrace.panes.features import Feature
from headrace.panes.flush import REPUBLISH, Read, Update, Writes
from headrace.panes.grouping import Batch, group
from headrace.panes.heads import HEAD, NEVER, UNKNOWN, Heads, Layout, entity_of, head_keys
from headrace.panes.incoming import Incoming
from headrace.panes.levels import Level
from headrace.panes.progress import Progress
from headrace.panes.runs import Moved, move
from headrace.panes.sessions import move_sessions
from headrace.panes.tails import Tails

Clock: TypeAlias = Literal["wall", "event"] | int


class Planned(Protocol):
    """What the step needs of a plan."""

    @property
    def levels(self) -> tuple[Level, ...]: ...
    @property
    def computed(self) -> tuple[Feature, ...]: ...
    @property
    def ttl(self) -> int | None: ...
    @property
    def dedup(self) -> int | None: ...
    @property
    def lateness(self) -> int: ...


class ViewCore:
    """The panes of one view. Holds nothing but the plan: all state is in the values that are read and
    written.
    """

    def __init__(self, plan: Planned, *, clock: Clock) -> None:
        self.plan = plan
        self.fixed = clock if isinstance(clock, int) else None
        self.layout = Layout(plan.levels)

    def step(
        self,
        rows: pl.DataFrame,
        due: Mapping[int, pl.DataFrame],
        clocks: Mapping[int, int],
        read: Read,
    ) -> Update:
        """Apply a flush.

        `rows` are projected rows (`Projected.rows`), in any order and of any partitions; `due` the timers
        (`due`, `key`) that fired, with REPUBLISH as instant to emit an entity again; `clocks` the engine's clock
        of each partition, in microseconds. `read` is called once a partition for head records, and once a
        partition and level for the tail records that are needed.
        """
        given = len(rows)
        if self.fixed is not None and given:
            rows = rows.filter(pl.col("_event_time") <= self.fixed)
        progress = self._progress(rows, due, read)
        copies = None if self.plan.dedup is None else Copies(rows, read, self.plan.dedup)
        if copies is not None:
            rows = copies.rows
        batch = group(rows, due)
        state_keys = head_keys(batch.keys)
        stored: list[bytes | None] = []
        for partition, a, b in batch.slices():
            stored += read(partition, state_keys[a:b])
        heads = self.layout.decode_heads(stored)

        active, fired, asked = _active(batch, heads)
        if not active.all():
            batch, heads = batch.only(active), heads.only(active)
            fired, asked = fired[active], asked[active]
            state_keys = [state_keys[i] for i in np.flatnonzero(active).tolist()]
        clock = self._clock(batch, clocks)
        t = _now(batch, heads, clock)
        reset, counts, newest, oldest = self._aged(batch, heads, t)

        applied = progress.of(batch.partition) if progress else t
        incoming, tails = Incoming(rows, batch), Tails(self.layout, batch, state_keys, read)
        moved = []
        for number, level in enumerate(self.plan.levels):
            if level.gap:
                made, known_sessions = incoming.sessions(level, counts), heads.panes[number]
                moved.append(move_sessions(level, made, known_sessions, t, reset, applied))
                continue
            fresh = incoming.panes(level, level.oldest(t), counts)
            panes, summaries = heads.panes[number], heads.summaries[number]
            moved.append(move(level, fresh, panes, summaries, t, reset, tails.reader(number)))
            tails.write(number, moved[-1])

        shown = self._shown(moved, t, newest)
        alive = _alive(moved, len(batch))
        known = np.zeros(len(batch), "?")
        known[heads.known] = True
        keep = alive | (known | (t > clock)) & (t > clock)
        change = self._change(shown, moved, alive, t, newest)
        timer = np.where(fired | (change < heads.timer), change, heads.timer)
        after = Heads(
            np.flatnonzero(keep),
            t,
            newest,
            oldest,
            timer,
            tuple(m.head for m in moved),
            tuple(m.summaries for m in moved),
        )
        writes = self._writes(batch, state_keys, after, known & ~keep)
        tails.add_to(writes)
        if progress is not None:
            _add(writes, progress.changes())
            _add(writes, copies.changes(progress.slowest(), self.plan.lateness) if copies else {})
        _add_timers(batch, writes, timer, keep & (timer != NEVER) & (fired | (timer != heads.timer)))
        return Update(
            {p: w for p, w in writes.items() if w.keys or len(w.timers)},
            self._online(batch, after, known, asked, shown),
            late_events=self._late(incoming, counts, t),
            rows=given,
            entities=len(batch),
            capped=shown.capped,
            copies=copies.dropped if copies else 0,
        )

    def timers_of(self, records: pl.DataFrame) -> pl.DataFrame:
        """The timers that restored records (`key`, `value`: Binary) ask for: `due` (us), `key` (entity's text).

        Those that are no head records ask for none.
        """
        heads = records.filter(pl.col("key").bin.starts_with(HEAD))
        timers = heads.select(due=self.layout.timers(heads["value"]), key=pl.col("key").bin.slice(1))
        return timers.filter(pl.col("due") != NEVER)

    def entity_of(self, key: bytes) -> bytes | None:
        """The entity's text in the state key of a head record; None for other records."""
        return entity_of(key)

    def entities_of(self, keys: Sequence[bytes]) -> list[bytes]:
        """The entities whose head records are among `keys`, in order."""
        return [key[1:] for key in keys if key[:1] == HEAD]

    def _clock(self, batch: Batch, clocks: Mapping[int, int]) -> Ints:
        if self.fixed is not None:
            return np.full(len(batch), self.fixed)
        clock = np.full(len(batch), UNKNOWN)
        for partition, a, b in batch.slices():
            clock[a:b] = clocks.get(partition, UNKNOWN)
        return clock

    def _aged(self, batch: Batch, heads: Heads, t: Ints) -> tuple[Bools, Bools | None, Ints, Ints]:
        """(entities that begin anew, rows that count or None for all, newest and oldest event time)."""
        if self.plan.ttl is not None:
            # A replay under a fixed clock brings each event as if it were of the past: one whose ttl is over
            # at T may be continued by the next, whatever flush that one is in.
            until = t if self.fixed is None else np.full(len(t), UNKNOWN)
            c = chains(batch, heads, until, self.plan.ttl)
            return c.reset, None if c.counts.all() else c.counts, c.newest, c.oldest
        newest = heads.newest.copy()
        ends = np.append(batch.starts[1:], len(batch.entity)) - 1
        if len(batch.starts):
            newest[batch.having] = np.maximum(newest[batch.having], batch.rows.time[ends])
        return np.zeros(len(batch), "?"), None, newest, heads.oldest

    def _shown(self, moved: Sequence[Moved], t: Ints, newest: Ints) -> Values:
        """The features; with a fixed clock an entity whose ttl is over keeps its state and shows nothing."""
        shown = values(self.plan.levels, self.plan.computed, moved, t)
        if self.fixed is None or self.plan.ttl is None:
            return shown
        return replace(shown, present=shown.present & ((newest == UNKNOWN) | (newest + self.plan.ttl > t)))

    def _progress(self, rows: pl.DataFrame, due: Mapping[int, pl.DataFrame], read: Read) -> Progress | None:
        """How far the records of each partition have come; None for a view that does not ask."""
        if self.plan.dedup is None and not any(level.gap for level in self.plan.levels):
            return None
        return Progress({*rows["_partition"].unique().to_list(), *due}, read, rows)

    def _late(self, incoming: Incoming, counts: Bools | None, t: Ints) -> int:
        """How many rows are too late for every window."""
        entity, time = incoming.batch.entity, incoming.batch.rows.time
        late = np.ones(len(entity), "?") if counts is None else counts.copy()
        for level in self.plan.levels:
            if level.gap:
                late &= ~incoming.in_time(level)
            elif level.step == 0:
                return 0
            else:
                late &= time < level.start_of(level.oldest(t))[entity]
        return int(late.sum())

    def _change(self, shown: Values, moved: Sequence[Moved], alive: Bools, t: Ints, newest: Ints) -> Ints:
        """The next instant at which an entity has to be looked at; NEVER for none, and with a fixed clock."""
        if self.fixed is not None:
            return np.full(len(t), NEVER)
        change = shown.change
        for level in moved:
            if level.wake is not None:
                change = np.minimum(change, level.wake)
        if self.plan.ttl is not None:
            change = np.where(alive, np.minimum(change, newest + self.plan.ttl), change)
        return np.where(alive, change, t)  # one that is kept for its T alone goes when the clock is there

    def _writes(self, batch: Batch, state_keys: list[bytes], after: Heads, gone: Bools) -> dict[int, Writes]:
        packed = self.layout.encode_heads(after)
        writes = {}
        cuts = np.searchsorted(after.known, [b for _, _, b in batch.slices()]).tolist()
        start = 0
        for (partition, a, b), end in zip(batch.slices(), cuts, strict=True):
            kept = after.known[start:end]
            keys = state_keys[a:b] if len(kept) == b - a else [state_keys[i] for i in kept.tolist()]
            values: list[bytes | None] = list(packed[start:end])
            for i in (np.flatnonzero(gone[a:b]) + a).tolist():
                keys.append(state_keys[i])
                values.append(None)
            writes[partition] = Writes(keys, values)
            start = end
        return writes

    def _online(self, batch: Batch, after: Heads, known: Bools, asked: Bools, shown: Values) -> pl.DataFrame:
        ttl = self.plan.ttl
        last = np.where(after.newest == UNKNOWN, after.t, after.newest)
        left = None if ttl is None else pl.Series((last + ttl - after.t) // 1000)
        frame = pl.DataFrame(
            [
                pl.Series("_partition", batch.partition).cast(pl.Int32),
                batch.keys.alias("_key"),
                *shown.columns,
                pl.Series("_event_time", last),
                pl.Series("_as_of", after.t),
                (
                    pl.Series([None], dtype=pl.Int64).new_from_index(0, len(batch)) if left is None else left
                ).alias("_ttl"),
                pl.Series("_remove", ~shown.present),
            ]
        )
        emitted = known | asked | shown.present
        return frame if emitted.all() else frame.filter(pl.Series(emitted))


def _active(batch: Batch, heads: Heads) -> tuple[Bools, Bools, Bools]:
    """Entities with rows, with their own timer fired, or asked for again; whose timer fired; who was asked for.

    Asked for may be one that is not known: it was removed, and the online store may not have been told.
    """
    n = len(batch)
    active, fired, asked = np.zeros(n, "?"), np.zeros(n, "?"), np.zeros(n, "?")
    active[batch.having] = True
    if len(batch.due_entity):
        known = np.zeros(n, "?")
        known[heads.known] = True
        own = known[batch.due_entity] & (batch.due_instant == heads.timer[batch.due_entity])
        fired[batch.due_entity[own]] = True
        asked[batch.due_entity[batch.due_instant == REPUBLISH]] = True
        active |= fired | asked
    return active, fired, asked


def _now(batch: Batch, heads: Heads, clock: Ints) -> Ints:
    """T of each entity: the largest of the clock, its newest row, and the T that it had."""
    t = np.maximum(heads.t, clock)
    if len(batch.starts):
        ends = np.append(batch.starts[1:], len(batch.entity)) - 1
        t[batch.having] = np.maximum(t[batch.having], batch.rows.time[ends])
    return t


def _alive(moved: Sequence[Moved], n: int) -> Bools:
    alive = np.zeros(n, "?")
    cells: Cells
    for level in moved:
        for cells in (level.head, level.summaries):
            alive[cells.entity] = True
    return alive


def _add(writes: dict[int, Writes], more: Mapping[int, Writes]) -> None:
    for partition, given in more.items():
        its = writes.setdefault(partition, Writes())
        its.keys += given.keys
        its.values += given.values


def _add_timers(batch: Batch, writes: dict[int, Writes], timer: Ints, which: Bools) -> None:
    at = np.flatnonzero(which)
    timers = pl.DataFrame({"due": timer[at], "key": batch.keys.cast(pl.Binary)[at]})
    for partition, a, b in batch.slices():
        first, end = np.searchsorted(at, [a, b]).tolist()
        writes[partition].timers = timers.slice(first, end - first)
