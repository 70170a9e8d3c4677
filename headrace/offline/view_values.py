"""One view's values for the rows of a spine: its events gathered by entity, then sorted and folded by partition.

Owns how much is in memory: partitions are sized by the events that are expected, and one is computed in each
thread. Refuses to read files and to choose features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from headrace.aggregates.partials import Ints, Partials
from headrace.offline.among import MANY, among
from headrace.offline.as_of import PRESENT, Asked, Events, Key, features_as_of
from headrace.offline.cutting import TOO_LARGE, History, by_time, scattered
from headrace.offline.entities import Entities
from headrace.offline.lookup import NONE
from headrace.offline.spill import Partitions, Scattered
from headrace.offline.ties import by_value, is_orderless, rounded
from headrace.offline.timeline import sorted_timeline
from headrace.panes.duplicates import EVENT_ID, without_copies
from headrace.panes.features import Feature
from headrace.panes.progress import RECORDED, recorded
from headrace.plan import ViewPlan
from headrace.windows import BEGINNING, FOREVER, start_of

ENTITIES = 1 << 16
"""Entities of a partition: few enough for numbers of 16 bits."""

PLACES = frozenset({"_partition", "_offset"})

MOST = 1 << 10
"""Partitions: few enough for open files."""


class ViewValues:
    """The asked values of one view. `keys` are the entity's typed keys of each spine row, `at` its T.

    `known`: "happened" counts events by their event time alone, "ingested" only those whose record's timestamp is
    not after T either. `expected` events decide how many partitions there are.
    """

    def __init__(
        self,
        plan: ViewPlan,
        features: Sequence[str],
        keys: pl.DataFrame,
        at: Ints,
        *,
        strict: bool,
        known: str,
        partition_rows: int,
        expected: int,
        folder: Path | None = None,
        present: bool = False,
    ) -> None:
        self.plan = plan
        self.features = [f for f in plan.computed if f.name in set(features)]
        self._projection = plan.projection
        self._ingested = known == "ingested"
        self._recorded = (
            self._ingested
            or plan.dedup is not None
            or any(p.over.kind == "session" for f in self.features for p in f.parts)
        )
        self.ordered = (
            self._recorded or not is_orderless(self.features) or bool(PLACES & self._projection.needs)
        )
        """Whether the events' places in the log are read: for the order among equal times, or by an expression."""
        self._rounded = rounded(self.features)
        self._strict = strict
        self._present = present
        self._at = at
        self._keys = keys
        self._entities = Entities(keys)
        self.first, self.last = bounds(plan, self.features, at)
        n = max(-(-len(self._entities) // ENTITIES), -(-expected // partition_rows), 1)
        self._partitions = Partitions(min(n, MOST, max(len(self._entities), 1)), folder)
        self._numbers_are_narrow = len(self._entities) <= self._partitions.n * ENTITIES
        self._size = partition_rows
        self.events = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._partitions.__exit__(kind, error, at)

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self._partitions.n

    @property
    def needs(self) -> set[str]:
        """The columns of the source that are read."""
        return self._projection.needs

    @property
    def recorded(self) -> bool:
        """Whether the events' record timestamps are read: where they count, or an expression or event time asks."""
        source = self.plan.source.source
        asked = source.timestamp is None or getattr(source, "max_ahead", None) is not None
        return self._recorded or asked or RECORDED in self.needs

    @property
    def among(self) -> pl.Expr | None:
        """What the events that matter meet, in columns of the source; None: nothing that could be said."""
        types = self.plan.view.entity.keys
        columns = self.plan.source.source.columns
        plain = self._projection.plain_keys and all(columns[k] == t for k, t in types.items())
        few = len(types) > 1 or len(self._entities) <= MANY  # of several columns, each may have few values
        return among(self._keys) if plain and few else None

    def add(self, accepted: pl.DataFrame) -> None:
        """Take the events of a batch (`Accepted.frame`) that matter to the spine."""
        self.keep(self.scattered(accepted))

    def keep(self, scattered: Scattered) -> None:
        """Take in what `scattered` gave; batches in their order, so that what is folded does not depend on threads."""
        self.events += len(scattered.rows)
        self._partitions.keep(scattered)

    def scattered(self, accepted: pl.DataFrame) -> Scattered:
        """The events of a batch that matter, by partition, not yet taken in. Any thread may ask, if neither the view's
        transform nor a function of its expressions objects."""
        kept = ["_event_time"]
        kept += ["_order"] if self.ordered else []
        kept += [RECORDED] if self._recorded else []
        kept += [EVENT_ID] if self.plan.dedup is not None else []
        types = self.plan.view.entity.keys
        if self._projection.plain_keys:
            rows = self._numbered(accepted, [pl.col(k).cast(t.polars) for k, t in types.items()])
            rows = self._projection.keys_and_inputs(rows, ["_code", *kept])
        else:
            rows = self._projection.keys_and_inputs(accepted, kept)
            rows = self._numbered(rows, [pl.col(f"_key{i}") for i in range(len(types))])
        rows = rows.drop([f"_key{i}" for i in range(len(types))])
        if self._recorded:
            rows = rows.with_columns(recorded(rows))
        n = self._partitions.n
        code = rows["_code"].to_numpy()
        number = code // np.uint32(n)
        partition = code - number * np.uint32(n)
        np.putmask(partition, code == NONE, np.uint32(n))
        if self._numbers_are_narrow:
            number = number.astype("u2")
        return self._partitions.scattered(rows.with_columns(pl.Series("_code", number)), partition)

    def _numbered(self, events: pl.DataFrame, keys: Sequence[pl.Expr]) -> pl.DataFrame:
        """The events with the number of their entity as ``_code``: NONE where the spine lacks it, or the event is not
        of the spine's time. Many such are left out at once, few with the partitions."""
        code, time = self._entities.numbers(events, keys), events["_event_time"]
        if not self._of_its_time(time):
            code = np.where(time.is_between(self.first, self.last).to_numpy(), code, NONE)
        rows, nobodys = events.with_columns(pl.Series("_code", code)), code == NONE
        return rows.filter(pl.Series(~nobodys)) if 2 * np.count_nonzero(nobodys) > len(code) else rows

    def _of_its_time(self, time: pl.Series) -> bool:
        return not len(time) or bool(self.first <= time.min() and time.max() <= self.last)  # type: ignore[operator]

    def values(self, threads: int, tick: Callable[[], object] = lambda: None) -> pl.DataFrame:
        """A typed column a feature, in the spine's order; with `present`, ``_present`` too. `tick`s by partition."""
        n = self._partitions.n
        number, partition = np.divmod(self._entities.code, n)
        order = np.argsort(partition.astype("u2"), kind="stable")  # by radix
        cut = np.searchsorted(partition[order], np.arange(n + 1)).tolist()

        def one(i: int) -> list[pl.Series]:
            rows = order[cut[i] : cut[i + 1]]
            rows = rows[np.lexsort((self._at[rows], number[rows]))]  # neighbours ask of neighbours
            order[cut[i] : cut[i + 1]] = rows
            asked = Asked(number[rows], self._at[rows], self._strict)
            large = self._partitions.rows[i] > TOO_LARGE * self._size
            done = self._in_parts(i, asked) if large else self._partition(self._partitions.take(i), asked)
            tick()
            return done

        largest_first = sorted(
            range(n), key=lambda i: -self._partitions.rows[i]
        )  # so that all threads end together
        with ThreadPoolExecutor(threads) as pool:
            done = dict(zip(largest_first, pool.map(one, largest_first), strict=True))
        parts = [done[i] for i in range(n)]
        back = np.empty(len(order), "u4")
        back[order] = np.arange(len(order), dtype="u4")
        made = pl.concat(map(pl.DataFrame, parts), rechunk=True).select(pl.all().gather(pl.Series(back)))
        return made if self._present else made.drop(PRESENT)

    def _partition(self, rows: pl.DataFrame | None, asked: Asked) -> list[pl.Series]:
        if rows is None or not len(asked):
            return self._nothing(len(asked))
        entities = int(max(asked.entity.max(), int(rows["_code"].max()))) + 1  # type: ignore[arg-type]
        return features_as_of(self.plan, self.features, self._events(rows, entities), asked)

    def _in_parts(self, i: int, asked: Asked) -> list[pl.Series]:
        """As `_partition` for the i-th, never in memory as a whole."""
        if not len(asked):
            self._partitions.forget(i)
            return self._nothing(0)
        entities = -(-len(self._entities) // self._partitions.n) + 1
        found, made = scattered(
            self._partitions, i, entities, self._size, by_time=by_time(self.plan, self.features)
        )
        with made:
            part = found.of(asked.entity, asked.at)
            order = np.argsort(part, kind="stable")
            cut = np.searchsorted(part[order], np.arange(found.n + 1)).tolist()
            runs = [order[a:b] for a, b in pairwise(cut)]
            done = [self._partition(made.take(k), asked.at_rows(runs[k])) for k in range(found.groups)]
            for entity, base in found.bases.items():
                mine = range(base, base + len(found.cuts[entity]) + 1)
                done += self._history(made, mine, [asked.at_rows(runs[k]) for k in mine])
        back = np.empty(len(order), "i8")
        back[order] = np.arange(len(order))
        return [pl.concat(list(same)).gather(back) for same in zip(*done, strict=True)]

    def _history(self, parts: Partitions, numbers: range, asked: list[Asked]) -> list[list[pl.Series]]:
        """One entity's values, part by part: `numbers` of `parts`, in the order of time."""
        history = History(self.plan, self.features, lambda rows, carried: self._events(rows, 1, carried))
        firsts = [int(a.at.min(initial=FOREVER)) for a in asked]
        done = []
        for k, (number, its) in enumerate(zip(numbers, asked, strict=True)):
            rows, later = parts.take(number), min(firsts[k + 1 :], default=FOREVER)
            events = None
            if later < FOREVER or len(its):
                events = history.events(
                    None if rows is None else rows.with_columns(_code=pl.lit(0, pl.UInt32))
                )
            if events is None:
                done.append(self._nothing(len(its)))
                continue
            done.append(features_as_of(self.plan, self.features, events, its.of_one()))
            if later < FOREVER:
                history.let_go(events, later)
            del events  # before the next part's are made
        return done

    def _events(self, rows: pl.DataFrame, entities: int, carried: Mapping[Key, Partials] = {}) -> Events:
        """The rows of a partition, sorted."""
        if self.plan.dedup is not None:
            rows = without_copies(rows, self.plan.dedup)
        code, time = (rows[c].to_numpy() for c in ("_code", "_event_time"))
        timeline, by = sorted_timeline(
            code, time, rows["_order"].to_numpy() if self.ordered else None, entities
        )
        if not self.ordered:
            by = by_value(timeline, rows, by, self._rounded)
        rows = rows.drop("_code", "_event_time", "_order", strict=False)
        if by is not None:
            rows = rows.select(pl.all().gather(by.astype("u4")))
        arrived = rows[RECORDED].to_numpy() if self._recorded else None
        return Events(timeline, rows, arrived, ingested=self._ingested, carried=carried)

    def _nothing(self, n: int) -> list[pl.Series]:
        present = pl.Series(PRESENT, [False]).new_from_index(0, n)
        return [*(f.over_no_events().new_from_index(0, n) for f in self.features), present]


def bounds(plan: ViewPlan, features: Sequence[Feature], at: Ints) -> tuple[int, int]:
    """The event times that can matter: from the earliest start of any window to the largest T."""
    if not len(at):
        return FOREVER, BEGINNING
    earliest, latest = int(at.min()), int(at.max())
    starts = [
        BEGINNING if part.over.size is None else start_of(part.over, earliest, plan.lateness)
        for feature in features
        for part in feature.parts
    ]
    return min(starts, default=earliest), latest
