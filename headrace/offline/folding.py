"""Folding: one partial for each range of a column of values, by the algebras that panes are made of.

A range is what a window covers of an entity's events. Counts and exact sums are differences of running sums (of
integers: nothing is lost), first and newest values are looked up, and everything else is merged of blocks: the
values of an entity in groups of `FAN`, those in groups of `FAN`, and so on. So sums of floats only ever add, and
depend on nothing but the entity's own events. Refuses to know of windows, of instants, or of how values are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows
from headrace.aggregates.newest import First, FirstBytes, Latest, LatestBytes
from headrace.aggregates.partials import Bools, Ints, Partials, join, spread
from headrace.aggregates.several import Several
from headrace.aggregates.sums import Count, ExactSum, WideSum
from headrace.offline.timeline import Timeline

FAN = 8
"""How many blocks make one of the next size."""

PIECES = 4_000_000
"""How many blocks are merged at once: bounds memory."""

_LIMB = np.int64(2**32 - 1)


class Column:
    """The values that are not null of one input, in the order of the timeline.

    `values` is a column beside the timeline's events, or None for the events themselves (each counts).
    """

    def __init__(self, timeline: Timeline, values: pl.Series | None) -> None:
        self._whole = values is None or values.null_count() == 0
        if values is None:
            values = pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(timeline))
        if self._whole:
            self._before, self._kept = None, None
            self.values, self.rows = values, Rows(timeline.time, timeline.order)
            self.starts = timeline.starts
        else:
            kept = values.is_not_null().to_numpy()
            self._kept = kept
            self._before = np.concatenate([np.zeros(1, "i8"), np.cumsum(kept, dtype="i8")])
            self.values = values.drop_nulls()
            self.rows = Rows(timeline.time[kept], timeline.order[kept])
            self.starts = self._before[timeline.starts]
        self._made: dict[Algebra, Fold] = {}
        self._last: tuple[Ints, Ints, list[_Pieces]] | None = None

    def at(self, bound: Ints) -> Ints:
        """Positions in the timeline as positions among the values."""
        return bound if self._before is None else self._before[bound]

    def among(self, events: Ints) -> tuple[Bools, Ints]:
        """Which of these events have a value, and where those values are."""
        if self._kept is None or self._before is None:
            return np.ones(len(events), "?"), events
        has = self._kept[events]
        return has, self._before[events[has]]

    def fold(self, algebra: Algebra, entity: Ints, low: Ints, high: Ints) -> Partials:
        """The partial of the values ``low <= i < high`` of each (entity, range); ranges may be empty, not negative."""
        if algebra not in self._made:
            self._made[algebra] = _FOLDS.get(type(algebra), _merging)(algebra, self)
        return self._made[algebra](self, entity, low, high)

    @cached_property
    def shape(self) -> _Shape:
        """How the values stand in blocks."""
        return _Shape(self.starts)

    def pieces(self, entity: Ints, low: Ints, high: Ints) -> list[_Pieces]:
        """As `_Shape.pieces`; the last ones are kept, for the next algebra over the same ranges."""
        if self._last is None or self._last[0] is not low or self._last[1] is not high:
            self._last = (low, high, self.shape.pieces(entity, low, high))
        return self._last[2]

    def gathered(self, algebra: Algebra, at: Ints) -> Partials:
        """The partials of single values."""
        return algebra.of_rows(self.values.gather(at), Rows(self.rows.time[at], self.rows.order[at]))

    def every(self, algebra: Algebra) -> Partials:
        """The partials of all values."""
        return algebra.of_rows(self.values, self.rows)


Fold: TypeAlias = Callable[[Column, Ints, Ints, Ints], Partials]
"""As `Column.fold`, of one algebra. It is given the column each time: were the column held by what it holds, a part's
arrays would stay until the next collection of cycles, which so few objects do not call for."""


def grouped(algebra: Algebra, parts: Partials, group: Ints, n: int) -> Partials:
    """One partial for each of `n` groups; `group` ascends, and says of each part whose it is."""
    if not len(group):
        return algebra.empty(n)
    new = np.ones(len(group), "?")
    np.not_equal(group[1:], group[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return spread(algebra.merge(parts, starts), group[starts], algebra.empty(n))


def both(algebra: Algebra, one: Partials, other: Partials) -> Partials:
    """The merged partials of two columns of them, row by row."""
    n = len(one)
    if n == 0 or not other.has.any():
        return one
    pairs = join([one, other]).take(np.arange(2 * n).reshape(2, n).T.ravel())
    return algebra.merge(pairs, np.arange(0, 2 * n, 2))


def ranges(low: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Every position of the ranges of `count` from `low` on, and the number of the range that it is of."""
    return positions(low, count), np.repeat(np.arange(len(count)), count)


def positions(low: Ints, count: Ints) -> Ints:
    """As `ranges`, the positions alone."""
    ends = np.cumsum(count)
    at = np.repeat(low - (ends - count), count)
    at += np.arange(len(at))
    return at


def _counting(algebra: Algebra, column: Column) -> Fold:
    def fold(column: Column, entity: Ints, low: Ints, high: Ints) -> Partials:
        n = high - low
        return Partials(n > 0, (n,))

    return fold


def _exact(algebra: Algebra, column: Column) -> Fold:
    """Differences of running sums of each limb: whatever wraps around in them comes back in the difference."""
    running = [np.concatenate([np.zeros(1, "i8"), np.cumsum(w)]) for w in column.every(algebra).words]

    def fold(column: Column, entity: Ints, low: Ints, high: Ints) -> Partials:
        limbs = [w[high] - w[low] for w in running]
        for i in range(len(limbs) - 1, 0, -1):
            limbs[i - 1] = limbs[i - 1] + (limbs[i] >> 32)
            limbs[i] = limbs[i] & _LIMB
        return Partials(high > low, tuple(limbs))

    return fold


def _newest(algebra: Algebra, column: Column) -> Fold:
    return lambda column, entity, low, high: _one(algebra, column, high - 1, high > low)


def _oldest(algebra: Algebra, column: Column) -> Fold:
    return lambda column, entity, low, high: _one(algebra, column, low, high > low)


def _one(algebra: Algebra, column: Column, at: Ints, there: Bools) -> Partials:
    which = np.flatnonzero(there)
    return spread(column.gathered(algebra, at[which]), which, algebra.empty(len(at)))


def _ends(algebra: Algebra, column: Column) -> Fold:
    assert isinstance(algebra, Several)
    n, newest = algebra.n, algebra.newest

    def fold(column: Column, entity: Ints, low: Ints, high: Ints) -> Partials:
        count = np.minimum(high - low, n)
        at, owner = ranges(high - count if newest else low, count)
        return grouped(algebra, column.gathered(algebra, at), owner, len(low))

    return fold


def _merging(algebra: Algebra, column: Column) -> Fold:
    shape = column.shape
    levels = [column.every(algebra)]
    for groups in shape.groups:
        levels.append(algebra.merge(levels[-1], groups))
    blocks = join(levels)

    def fold(column: Column, entity: Ints, low: Ints, high: Ints) -> Partials:
        done = [
            spread(algebra.merge(blocks.take(c.at), c.starts), c.rows, algebra.empty(c.n))
            if len(c.at)
            else algebra.empty(c.n)
            for c in column.pieces(entity, low, high)
        ]
        return join(done) if done else algebra.empty(0)

    return fold


@dataclass(frozen=True)
class _Pieces:
    """The blocks `at` that make up the ranges of `n` rows: those of ``rows[i]`` begin at ``starts[i]``."""

    at: Ints
    starts: Ints
    rows: Ints
    n: int


class _Shape:
    """How values stand in blocks: those of an entity by FAN, those by FAN again; numbered through all levels.

    `groups`: of each level but the last, where the blocks of the next begin.
    """

    def __init__(self, starts: Ints) -> None:
        self._bases = [starts[:-1]]  # of each level, where each entity's blocks begin
        self.groups: list[Ints] = []
        sizes, total = np.diff(starts), int(starts[-1])
        while sizes.size and int(sizes.max()) >= 2 * FAN:
            begin = self._bases[-1] - self._bases[-1].min()
            counts = -(-sizes // FAN)
            index, owner = ranges(np.zeros(len(counts), "i8"), counts)
            self.groups.append(begin[owner] + index * FAN)
            ends = np.cumsum(counts)
            self._bases.append(total + ends - counts)
            sizes, total = counts, total + int(ends[-1])

    def pieces(self, entity: Ints, low: Ints, high: Ints) -> list[_Pieces]:
        """The blocks of each range ``low <= i < high`` of values of an entity, from left to right; in runs of rows."""
        starts, counts = self._ranges(entity, low, high)
        per = counts.sum(axis=1)
        out = []
        for a, b in cuts(per, PIECES):
            at = positions(starts[a:b].ravel(), counts[a:b].ravel())
            rows = np.flatnonzero(per[a:b])
            ends = np.cumsum(per[a:b])
            out.append(_Pieces(at, (ends - per[a:b])[rows], rows, b - a))
        return out

    def _ranges(self, entity: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """(where, how many): ranges of blocks, from left to right."""
        a, b = low - self._bases[0][entity], high - self._bases[0][entity]
        left: list[tuple[Ints, Ints]] = []
        right: list[tuple[Ints, Ints]] = []
        for number, bases in enumerate(self._bases):
            base = bases[entity]
            inner, outer = -(-a // FAN), b // FAN  # whole blocks of the next size
            whole = (inner < outer) & (b - a >= 2 * FAN)
            if number == len(self._bases) - 1 or not whole.any():
                left.append((base + a, b - a))
                break
            until = np.where(whole, inner * FAN, b)
            since = np.where(whole, outer * FAN, b)
            left.append((base + a, until - a))
            right.append((base + since, b - since))
            a, b = np.where(whole, inner, 0), np.where(whole, outer, 0)
        parts = left + right[::-1]
        return np.stack([s for s, _ in parts], axis=1), np.stack([c for _, c in parts], axis=1)


def cuts(sizes: Ints, most: int) -> Sequence[tuple[int, int]]:
    """Runs of rows whose sizes add up to about `most`."""
    if not len(sizes):
        return []
    at = np.flatnonzero(np.diff(np.cumsum(sizes) // most)) + 1
    bounds = [0, *at.tolist(), len(sizes)]
    return list(pairwise(bounds))


_FOLDS: Mapping[type[Algebra], Callable[[Algebra, Column], Fold]] = {
    Count: _counting,
    ExactSum: _exact,
    WideSum: _exact,
    Latest: _newest,
    LatestBytes: _newest,
    First: _oldest,
    FirstBytes: _oldest,
    Several: _ends,
}
