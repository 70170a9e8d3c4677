"""Events of many entities in one order, (entity, time, order), and the search for where a bound falls in it.

Entities are dense numbers. Knows nothing of windows' meaning, of values or of where events come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headrace.aggregates.partials import Ints

_BITS = 62


@dataclass(frozen=True)
class Timeline:
    """Event times (microseconds) and orders (0 where nobody asks), sorted; entity `e` has the events
    ``starts[e]:starts[e + 1]``."""

    starts: Ints
    time: Ints
    order: Ints

    def __len__(self) -> int:
        return len(self.time)

    def before(self, entity: Ints, instant: Ints) -> Ints:
        """For each (entity, instant), both ascending together or not: how far its earlier events reach.

        That is the position of the first event at or after the instant, or the end of the entity's events.
        """
        if not len(self.time):
            return np.zeros(len(entity), "i8")
        first, last = self._span
        clipped = np.clip(instant, first, last + 1) - first
        span = last - first + 2
        if span.bit_length() + len(self.starts).bit_length() <= _BITS:
            return np.searchsorted(self._codes(first, span), entity * span + clipped)
        return self._bisected(entity, instant)

    @cached_property
    def _span(self) -> tuple[int, int]:
        return int(self.time.min()), int(self.time.max())

    def _codes(self, first: int, span: int) -> Ints:
        """Numbers that sort as (entity, time) do; made once."""
        found: Ints | None = self.__dict__.get("_made")
        if found is None:
            begins = np.arange(len(self.starts) - 1) * span - first
            found = np.repeat(begins, np.diff(self.starts))
            found += self.time
            object.__setattr__(self, "_made", found)
        return found

    def _bisected(self, entity: Ints, instant: Ints) -> Ints:
        """One binary search for all at once, within each entity's own events."""
        low, high = self.starts[entity], self.starts[entity + 1]
        while (low < high).any():
            middle = (low + high) // 2
            right = (low < high) & (self.time[np.minimum(middle, len(self.time) - 1)] < instant)
            low, high = np.where(right, middle + 1, low), np.where(right | (low >= high), high, middle)
        return low

    def chains(self, gap: int) -> Ints:
        """For each event, where the run begins that it belongs to: consecutive events of one entity, each
        less than `gap` after the one before."""
        n = len(self.time)
        begins = np.zeros(n, "?")
        begins[self.starts[:-1][self.starts[:-1] < n]] = True
        begins[1:] |= np.diff(self.time) >= gap
        return np.maximum.accumulate(np.where(begins, np.arange(n), 0))


def sorted_timeline(
    entity: Ints, time: Ints, order: Ints | None, entities: int
) -> tuple[Timeline, Ints | None]:
    """The timeline of events of the entities ``0 <= e < entities``, and the permutation that sorts them
    (None: they are sorted). Without an order, equal times stay as they come."""
    starts = np.zeros(entities + 1, "i8")
    np.cumsum(np.bincount(entity, minlength=entities), out=starts[1:])
    narrow = entity.astype("u2", copy=False) if entities <= 1 << 16 else entity
    if bool((narrow[1:] >= narrow[:-1]).all()) and _rising(starts, time, order):
        return Timeline(starts, time, _placed(order, len(time))), None
    # The cheapest order that will do: files may come in any order, events late, equal times against their order.
    for permutation in _permutations(narrow, time, order):
        by_time, by_order = time.take(permutation), None if order is None else order.take(permutation)
        if _rising(starts, by_time, by_order):
            break
    return Timeline(starts, by_time, _placed(by_order, len(time))), permutation


def _permutations(entity: Ints, time: Ints, order: Ints | None) -> Iterator[Ints]:
    """Orders by entity, each of more than the one before; all stable, by radix where entities are narrow, by runs
    where times are nearly sorted."""
    if bool((time[1:] >= time[:-1]).all()):
        yield np.argsort(entity, kind="stable")
    else:
        yield np.lexsort((time, entity))
    if order is not None:
        yield np.lexsort((order, time, entity))


def _placed(order: Ints | None, n: int) -> Ints:
    return np.broadcast_to(np.int64(0), (n,)) if order is None else order


def _rising(starts: Ints, time: Ints, order: Ints | None) -> bool:
    """Whether (time, order) never falls within an entity."""
    if len(time) < 2:
        return True
    fell = np.flatnonzero(time[1:] <= time[:-1])
    kept = time[fell + 1] == time[fell]
    if order is not None:
        kept &= order[fell + 1] >= order[fell]
    fell = fell[~kept]
    first = np.zeros(len(time) + 1, "?")
    first[starts] = True
    return bool(first[fell + 1].all())
