"""A view's features as of instants, over events that are sorted by entity: which events count, and their values.

Owns the reading of spec section 3 over events themselves: windows, `T`, ttl, sessions, and what had arrived by `T`.
An event that has arrived by `T` though later ones of its entity have too, counts in order; those that arrived out of
order are found one by one. Refuses to sort, to read and to know where events are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.errors import UsageError
from headrace.offline.folding import Column, both, cuts, grouped, ranges
from headrace.offline.timeline import Timeline
from headrace.panes.features import Feature, Part
from headrace.plan import ViewPlan
from headrace.windows import FOREVER, Window, end_of, start_of

Key: TypeAlias = tuple[str | None, Algebra]
"""An input (None: the events themselves), and what is made of it."""

PRESENT = "_present"

SCATTERED = 4_000_000
"""How many events that arrived out of order are looked at at once: bounds memory."""


@dataclass(frozen=True)
class Asked:
    """Rows that ask: the entity's number and T (microseconds) of each. `strict`: events at T itself do not count."""

    entity: Ints
    at: Ints
    strict: bool = False

    def __len__(self) -> int:
        return len(self.at)

    def rows(self, a: int, b: int) -> Asked:
        """The rows ``a <= i < b``."""
        return replace(self, entity=self.entity[a:b], at=self.at[a:b])

    def at_rows(self, which: Ints) -> Asked:
        """The rows at these positions."""
        return replace(self, entity=self.entity[which], at=self.at[which])

    def of_one(self) -> Asked:
        """The same rows where theirs is the only entity: number 0."""
        return replace(self, entity=np.zeros(len(self), "i8"))


class Events:
    """The rows of a view, sorted: `frame` has a column for each of its inputs, beside the timeline.

    `arrived` is each record's timestamp (microseconds), where that matters: to sessions, and with `ingested`, when
    only what had arrived is known. `carried`: of each entity, what lifetimes cover before the first of these events.
    """

    def __init__(
        self,
        timeline: Timeline,
        frame: pl.DataFrame,
        arrived: Ints | None = None,
        *,
        ingested: bool = False,
        carried: Mapping[Key, Partials] = MappingProxyType({}),
    ) -> None:
        self.timeline = timeline
        self.arrived = arrived
        self.ingested = ingested
        self.carried = carried
        self._frame = frame
        self._columns: dict[str | None, Column] = {}
        self._chains: dict[int, Ints] = {}
        self._punctual: dict[int, Events] = {}

    def rows(self, since: int) -> pl.DataFrame:
        """The events from a position on, with ``_event_time`` and ``_order``."""
        time, order = self.timeline.time[since:], self.timeline.order[since:]
        return self._frame[since:].with_columns(pl.Series("_event_time", time), pl.Series("_order", order))

    def column(self, name: str | None) -> Column:
        """An input; None: the events themselves."""
        if name not in self._columns:
            self._columns[name] = Column(self.timeline, None if name is None else self._frame[name])
        return self._columns[name]

    def chains(self, gap: int) -> Ints:
        """As `Timeline.chains`."""
        if gap not in self._chains:
            self._chains[gap] = self.timeline.chains(gap)
        return self._chains[gap]

    def punctual(self, late: int) -> Events:
        """Without the events that are more than `late` before their record, which sessions do not count."""
        if late not in self._punctual:
            assert self.arrived is not None
            t = self.timeline
            kept = self.arrived - t.time <= late
            before = np.concatenate([np.zeros(1, "i8"), np.cumsum(kept, dtype="i8")])
            timeline = Timeline(before[t.starts], t.time[kept], t.order[kept])
            frame, arrived = self._frame.filter(pl.Series(kept)), self.arrived[kept]
            self._punctual[late] = Events(timeline, frame, arrived, ingested=self.ingested)
        return self._punctual[late]

    @cached_property
    def _reach(self) -> tuple[Ints, Ints]:
        """(arrivals sorted; for each event, entity and rank of the latest arrival of its entity up to it)."""
        assert self.arrived is not None
        ranked = np.sort(self.arrived)
        entity = np.repeat(np.arange(len(self.timeline.starts) - 1), np.diff(self.timeline.starts))
        code = entity * (len(ranked) + 1) + np.searchsorted(ranked, self.arrived)
        return ranked, np.maximum.accumulate(code)

    def solid(self, asked: Asked, known: Ints) -> Ints:
        """Up to where all events of the entity had arrived by T, at most `known`."""
        if not self.ingested or self.arrived is None or not len(self.arrived):
            return known
        ranked, reach = self._reach
        code = asked.entity * (len(ranked) + 1) + np.searchsorted(ranked, asked.at, "right")
        return np.minimum(np.searchsorted(reach, code), known)


@dataclass(frozen=True)
class _Selected:
    """The events of each row: ``low <= i < high``, and single ones (`at`, of the rows `owner`) that follow."""

    low: Ints
    high: Ints
    at: Ints
    owner: Ints


def features_as_of(plan: ViewPlan, features: list[Feature], events: Events, asked: Asked) -> list[pl.Series]:
    """A typed column for each feature, a value for each row that asks; then ``_present``, whether any has an event."""
    known = _known(events, asked)
    scattered = known - events.solid(asked, known)
    done = [_Values(plan, events, asked.rows(a, b)).of(features) for a, b in cuts(scattered, SCATTERED)]
    if not done:
        return [*(f.over_no_events().clear() for f in features), pl.Series(PRESENT, [], dtype=pl.Boolean)]
    return [pl.concat(parts) if len(parts) > 1 else parts[0] for parts in zip(*done, strict=True)]


def _known(events: Events, asked: Asked) -> Ints:
    """Up to where the events of each row's entity have happened."""
    return events.timeline.before(asked.entity, asked.at if asked.strict else asked.at + 1)


class _Values:
    """The features of some rows; what features share is computed once. Nothing before `since` counts."""

    def __init__(self, plan: ViewPlan, events: Events, asked: Asked, since: Ints | None = None) -> None:
        self._events, self._asked, self._lateness = events, asked, plan.lateness
        self._plan = plan
        t = events.timeline
        known = _known(events, asked)
        solid = events.solid(asked, known)
        at, owner = ranges(solid, known - solid)
        if events.ingested and events.arrived is not None:
            there = events.arrived[at] <= asked.at[owner]
            at, owner = at[there], owner[there]
        low = t.starts[asked.entity]
        if since is not None:
            low = t.before(asked.entity, since)
            late = t.time[at] >= since[owner]
            at, owner = at[late], owner[late]
        all_of_them = _Selected(low, np.maximum(low, solid), at, owner)
        self._all = all_of_them
        if since is None and plan.ttl is not None:
            self._all = self._running(all_of_them, plan.ttl)
        self._sessions: dict[int, _Values] = {}
        self._selected: dict[tuple[Window, str | None], _Selected] = {}
        self._partials: dict[tuple[Window, str | None, Algebra], Partials] = {}

    def of(self, features: list[Feature]) -> list[pl.Series]:
        """A column for each, and whether any of them covers an event."""
        out, present = [], np.zeros(len(self._asked), "?")
        for f in features:
            partials = [[self._partial(p, a) for a in p.compiled.algebras] for p in f.parts]
            column, has, _ = f.value(partials, self._asked.at)
            out.append(column)
            present |= has
        return [*out, pl.Series(PRESENT, present)]

    def _partial(self, part: Part, algebra: Algebra) -> Partials:
        if part.over.kind == "session" and part.over.gap not in self._sessions:
            self._sessions[part.over.gap or 0] = self._of_sessions(part.over.gap or 0)
        its = self._sessions[part.over.gap or 0] if part.over.kind == "session" else self
        key = (part.over, part.input, algebra)
        if key not in its._partials:
            its._partials[key] = its._folded(part, algebra)
        return its._partials[key]

    def _of_sessions(self, gap: int) -> _Values:
        """The same rows over the events that count for sessions, from the first that counts at all."""
        events = self._events.punctual(gap + self._lateness)
        if self._plan.ttl is None:
            return _Values(self._plan, events, self._asked)
        s, time = self._all, self._events.timeline.time
        since = np.full(len(s.low), FOREVER - 1)
        np.minimum.at(since, s.owner, time[s.at])
        some = s.high > s.low
        since[some] = time[s.low[some]]
        return _Values(self._plan, events, self._asked, since)

    def _folded(self, part: Part, algebra: Algebra) -> Partials:
        column = self._events.column(part.input)
        if (part.over, part.input) not in self._selected:
            s = self._within(part.over)
            has, at = column.among(s.at)
            high = column.at(np.maximum(s.low, s.high))
            among = _Selected(column.at(s.low), high, at, s.owner[has])
            self._selected[part.over, part.input] = among
        s = self._selected[part.over, part.input]
        found = column.fold(algebra, self._asked.entity, s.low, s.high)
        if part.over.size is None and (part.input, algebra) in self._events.carried:
            before = self._events.carried[part.input, algebra].take(self._asked.entity)
            found = both(algebra, before, found)
        if not len(s.at):
            return found
        single = grouped(algebra, column.gathered(algebra, s.at), s.owner, len(s.low))
        return both(algebra, found, single)

    def _within(self, window: Window) -> _Selected:
        if window.kind == "session":
            return self._session(window)
        s, asked, t = self._all, self._asked, self._events.timeline
        if window.size is None:
            return s
        start, end = (bound(window, asked.at, self._lateness) for bound in (start_of, end_of))
        low = np.maximum(s.low, t.before(asked.entity, start))
        high = np.minimum(s.high, t.before(asked.entity, end)) if window.closed else s.high
        time = t.time[s.at]
        inside = (time >= start[s.owner]) & (time < end[s.owner])
        return _Selected(low, high, s.at[inside], s.owner[inside])

    def _session(self, window: Window) -> _Selected:
        gap = window.gap or 0
        if not window.closed:
            return self._running(self._all, gap)
        s, at = self._all, self._asked.at
        if len(s.at):
            raise UsageError("known='ingested' is not defined for closed sessions: leave those features out")
        time, chain = self._events.timeline.time, self._events.chains(gap)
        low, high = s.low, s.high
        while True:  # back to the last session that had ended
            last = np.maximum(high - 1, 0)
            open_ = (high > low) & (time[last] + (gap + self._lateness) > at) if len(time) else high > low
            if not open_.any():
                break
            high = np.where(open_, chain[last], high)
        return _Selected(
            np.where(high > low, np.maximum(low, chain[last]) if len(time) else low, high),
            high,
            s.at,
            s.owner,
        )

    def _running(self, s: _Selected, gap: int) -> _Selected:
        """The newest run of events less than `gap` apart, if its last is less than `gap` before T."""
        time, asked = self._events.timeline.time, self._asked
        if not len(time):
            return s
        last = np.maximum(s.high - 1, 0)
        some = s.high > s.low
        low = np.where(some, np.maximum(s.low, self._events.chains(gap)[last]), s.high)
        newest = np.where(some, time[last], _LONG_AGO)
        high, keep = s.high, np.ones(len(s.at), "?")
        if len(s.at):
            first = np.ones(len(s.at), "?")
            first[1:] = s.owner[1:] != s.owner[:-1]
            before = np.where(first, newest[s.owner], np.concatenate([time[s.at[:1]], time[s.at[:-1]]]))
            begins = time[s.at] - before >= gap
            position = np.arange(len(s.at))
            restart = np.full(len(low), -1)
            np.maximum.at(restart, s.owner[begins], position[begins])
            low = np.where(restart >= 0, high, low)
            keep = position >= restart[s.owner]
            np.maximum.at(newest, s.owner, time[s.at])
        over: Bools = newest + gap <= asked.at
        keep &= ~over[s.owner]
        return _Selected(np.where(over, high, low), high, s.at[keep], s.owner[keep])


_LONG_AGO = -(2**62)
