"""A partition that is too large, in parts: entities apart from each other, and a single entity's events by time.

Owns that memory follows the size of a partition, and what the longest window holds of one entity, whatever the length
of history. A part begins with the events that the windows of its rows still need; what lies before, only lifetimes
cover, and they carry one partial along. Refuses to compute values: `as_of` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl

from headrace.aggregates.partials import Ints, Partials
from headrace.offline.as_of import Events, Key
from headrace.offline.folding import both
from headrace.offline.spill import Partitions
from headrace.panes.features import Feature
from headrace.plan import ViewPlan
from headrace.windows import start_of

TOO_LARGE = 2
"""How many times its size a partition may have."""

SAMPLE = 1 << 20
"""Events by which the instants are found that cut an entity's history, at most."""

PARTS = 1 << 9
"""Parts of one entity, at most: beyond, they grow."""

IN_MEMORY = 64 << 20


def by_time(plan: ViewPlan, features: Sequence[Feature]) -> bool:
    """Whether an entity's history can be cut: not where copies are told apart in all of it, nor where something that
    has no size ends by a pause (sessions, and lifetimes under a ttl)."""
    overs = [part.over for f in features for part in f.parts]
    endless = any(o.size is None for o in overs)
    return plan.dedup is None and all(o.kind != "session" for o in overs) and not (endless and plan.ttl)


@dataclass(frozen=True)
class Parts:
    """How the events of a partition are parted. `group`: the part of each entity, or -1 for one that is cut;
    `cuts`: the instants that cut the others, ascending, each the first of a part."""

    group: Ints
    cuts: dict[int, Ints]

    @property
    def groups(self) -> int:
        """How many parts are of whole entities; they come first."""
        return int(self.group.max(initial=-1)) + 1

    @cached_property
    def bases(self) -> dict[int, int]:
        """The number of the first part of each entity that is cut; parts are numbered on behind the groups."""
        out, n = {}, self.groups
        for entity, cuts in self.cuts.items():
            out[entity], n = n, n + len(cuts) + 1
        return out

    @property
    def n(self) -> int:
        """How many parts there are."""
        return self.groups + sum(len(c) + 1 for c in self.cuts.values())

    def of(self, entity: Ints, time: Ints) -> Ints:
        """The part of each event, or of each row that asks at `time`."""
        part = self.group[entity]
        for e, cuts in self.cuts.items():
            mine = np.flatnonzero(entity == e)
            part[mine] = self.bases[e] + np.searchsorted(cuts, time[mine], "right")
        return part


def parts_of(
    batches: Callable[[], Iterator[pl.DataFrame]], entities: int, rows: int, most: int, *, by_time: bool
) -> Parts:
    """Parts of about `most` of the `rows` events that `batches` gives (``_code``, ``_event_time``)."""
    counts = np.zeros(entities, "i8")
    every = -(-rows // SAMPLE)
    sample = []
    for batch in batches():
        counts += np.bincount(batch["_code"].to_numpy(), minlength=entities)
        sample.append(batch.select("_code", "_event_time").gather_every(every))
    hot = np.flatnonzero(counts > most) if by_time else np.empty(0, "i8")
    seen = pl.concat(sample)
    cuts = {}
    for entity in hot.tolist():
        times = np.sort(seen.filter(pl.col("_code") == entity)["_event_time"].to_numpy())
        n = min(-(-int(counts[entity]) // most), PARTS)
        cuts[entity] = np.unique(times[[len(times) * i // n for i in range(1, n)]]) if len(times) else times
    counts[hot] = 0
    group = _packed(counts, most)
    group[hot] = -1
    return Parts(group, cuts)


def _packed(counts: Ints, most: int) -> Ints:
    """Entities side by side in groups of about `most` events, numbered from 0."""
    group = (np.cumsum(counts) - counts) // most
    _, dense = np.unique(group, return_inverse=True)
    return np.asarray(dense, "i8")


def scattered(
    source: Partitions, i: int, entities: int, most: int, *, by_time: bool
) -> tuple[Parts, Partitions]:
    """Partition `i` of `source`, read piece by piece, in its parts; it is forgotten there."""
    parts = parts_of(partial(source.batches, i), entities, source.rows[i], most, by_time=by_time)
    made = Partitions(parts.n, source.under, in_memory=IN_MEMORY)
    for batch in source.batches(i):
        made.add(batch, parts.of(batch["_code"].to_numpy().astype("i8"), batch["_event_time"].to_numpy()))
    source.forget(i)
    return parts, made


class History:
    """One entity's events, part by part in the order of time; `events_of` makes `Events` of rows and what is carried.

    Between two parts stays what the windows of later rows cover; lifetimes carry the partials of what goes.
    """

    def __init__(
        self,
        plan: ViewPlan,
        features: Sequence[Feature],
        events_of: Callable[[pl.DataFrame, Mapping[Key, Partials]], Events],
    ) -> None:
        self._events_of = events_of
        overs = {part.over for f in features for part in f.parts}
        self._starts = [partial(start_of, o, lateness=plan.lateness) for o in overs if o.size is not None]
        ends = [part for f in features for part in f.parts if part.over.size is None]
        self._carried: dict[Key, Partials] = {
            (part.input, a): a.empty(1) for part in ends for a in part.compiled.algebras
        }
        self._kept: pl.DataFrame | None = None

    def events(self, rows: pl.DataFrame | None) -> Events | None:
        """What rows of the next part, whose events are `rows`, can ask of; None: nothing happened up to there."""
        frames = [f for f in (self._kept, rows) if f is not None]
        if not frames:
            return None
        return self._events_of(pl.concat(frames, how="diagonal"), dict(self._carried))

    def let_go(self, events: Events, t: int) -> None:
        """Keep of them what rows that ask as of `t` or later need."""
        since = min([t, *(start(t) for start in self._starts)])
        gone = int(events.timeline.before(np.zeros(1, "i8"), np.array([since]))[0])
        if (
            events.ingested and events.arrived is not None
        ):  # what had not arrived by then cannot be in one partial
            late = np.flatnonzero(events.arrived[:gone] > t)
            gone = int(late[0]) if len(late) else gone
        for (name, algebra), before in self._carried.items():
            column = events.column(name)
            ends = column.at(np.array([0, gone]))
            more = column.fold(algebra, np.zeros(1, "i8"), ends[:1], ends[1:])
            self._carried[name, algebra] = both(algebra, before, more)
        self._kept = events.rows(gone).with_columns(_code=pl.lit(0, pl.UInt32))
