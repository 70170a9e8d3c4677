"""Events of many entities in one order, (entity, time, order), and the search for where a bound falls in it.

Entities are dense numbers. Knows nothing of windows' meaning, of values or of where events come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headrace.aggregates.partials import Bools, Ints

_BITS = 62


@dataclass(frozen=True)
class Timeline:
    """Event times (microseconds) and orders, sorted; entity `e` has the events ``starts[e]:starts[e + 1]``."""

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


def sorted_timeline(entity: Ints, time: Ints, order: Ints, entities: int) -> tuple[Timeline, Ints | None]:
    """The timeline of events of the entities ``0 <= e < entities``, and the permutation that sorts them
    (None: they are sorted)."""
    starts = np.zeros(entities + 1, "i8")
    np.cumsum(np.bincount(entity, minlength=entities), out=starts[1:])
    narrow = entity.astype("u2") if entities <= 1 << 16 else entity
    if bool((narrow[1:] >= narrow[:-1]).all()) and _rising(starts, time, order):
        return Timeline(starts, time, order), None
    # The cheapest order that will do: files may come in any order, events late, equal times against their order.
    for keys in ((narrow,), (time, narrow), (order, time, narrow)):
        permutation = np.lexsort(keys)  # stable; by radix where narrow, by runs where nearly sorted
        by_time, by_order = time.take(permutation), order.take(permutation)
        if _rising(starts, by_time, by_order):
            break
    return Timeline(starts, by_time, by_order), permutation


def _rising(starts: Ints, time: Ints, order: Ints) -> bool:
    """Whether (time, order) never falls within an entity."""
    if len(time) < 2:
        return True
    rose: Bools = time[1:] > time[:-1]
    fell = np.flatnonzero(~rose)
    fell = fell[~((time[fell + 1] == time[fell]) & (order[fell + 1] >= order[fell]))]
    first = np.zeros(len(time) + 1, "?")
    first[starts] = True
    return bool(first[fell + 1].all())
