"""The most frequent values: counts of all while they are few, of the heaviest from then on.

A summary has at most 1,000 counters. Where a merge gives more, the 1,001st largest count is taken off all of
them and those that are left with nothing go (Agarwal et al., "Mergeable summaries", 2012, after Misra and
Gries): a count is then too small by at most a 1,001st of the events, and never too large. Counters are columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows, any_of, groups_of, present
from headrace.aggregates.lists import Items, pack_lists, unpack_lists
from headrace.aggregates.partials import Ints, Partials
from headrace.aggregates.results import Finish, Result, listed
from headrace.aggregates.values import (
    from_bytes,
    from_words,
    is_word,
    to_bytes,
    to_words,
    without_negative_zero,
)
from headrace.types import DataType

COUNTERS = 1000


@dataclass(frozen=True)
class Frequent(Algebra):
    """Values with their counts, each value once; the word is how many values."""

    identity = (0,)
    blob = True

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        owner = np.flatnonzero(has)
        given = without_negative_zero(values if has.all() else values.drop_nulls(), self.type)
        ones = np.ones(len(owner), "i8")
        if is_word(self.type):
            items = Items(owner, (ones, to_words(given, self.type)))
        else:
            items = Items(owner, (ones,), to_bytes(given, self.type))
        return Partials(has, (has.astype("i8"),), pack_lists(items, len(has)))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        n = len(starts)
        frame = self.counts(parts)
        group = groups_of(starts, len(parts))[frame["o"].to_numpy()]
        frame = frame.with_columns(pl.Series("o", group, dtype=pl.Int64))
        frame = frame.group_by("o", "v").agg(pl.col("c").sum()).sort("o", "v")
        owner, count = frame["o"].to_numpy(), frame["c"].to_numpy()
        size = np.bincount(owner, minlength=n)
        if (size > COUNTERS).any():
            rank = np.lexsort((-count, owner))
            next_largest = (np.cumsum(size) - size + COUNTERS)[size > COUNTERS]
            off = np.zeros(n, "i8")
            off[size > COUNTERS] = count[rank[next_largest]]
            count = count - off[owner]
            left = count > 0
            frame, owner, count = frame.filter(pl.Series(left)), owner[left], count[left]
            size = np.bincount(owner, minlength=n)
        if is_word(self.type):
            items = Items(owner, (count, frame["v"].to_numpy()))
        else:
            items = Items(owner, (count,), frame["v"])
        return Partials(any_of(parts.has, starts), (size,), pack_lists(items, n))

    def counts(self, parts: Partials) -> pl.DataFrame:
        """The counters: partial ``o``, value ``v`` (its word or text) and count ``c``."""
        assert parts.blob is not None
        word = is_word(self.type)
        items = unpack_lists(parts.blob, parts.words[0], 2 if word else 1, texts=not word)
        value = pl.Series(items.words[1]) if items.texts is None else items.texts
        return pl.DataFrame([pl.Series("o", items.owner), value.alias("v"), pl.Series("c", items.words[0])])


def shown_frequent(algebra: Frequent, k: int, item: DataType) -> Finish:
    """A list of the `k` values with the largest counts, by count then value, of type `item`."""

    def finish(parts: Sequence[Partials]) -> Result:
        frame = algebra.counts(parts[0]).sort("o", "c", "v", descending=[False, True, False])
        frame = frame.group_by("o", maintain_order=True).head(k)
        word = is_word(algebra.type)
        values = (
            from_words(frame["v"].to_numpy(), algebra.type) if word else from_bytes(frame["v"], algebra.type)
        )
        return listed(values, frame["o"].to_numpy(), len(parts[0]), item), 0

    return finish
