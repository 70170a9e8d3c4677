"""The newest and the oldest n: values with the time and order that they are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows, groups_of, present
from headrace.aggregates.lists import Items, pack_lists, unpack_lists
from headrace.aggregates.partials import Ints, Partials
from headrace.aggregates.results import Finish, Result, listed
from headrace.aggregates.values import from_bytes, from_words, is_word, to_bytes, to_words
from headrace.types import DataType


@dataclass(frozen=True)
class Several(Algebra):
    """At most `n` values in the order of (time, order), from one end of it; the word is how many.

    An item is (time, order) and the value, as a third word or as a text.
    """

    n: int
    newest: bool

    identity = (0,)
    blob = True

    @property
    def layout(self) -> str:
        return f"{type(self).__name__}({self.type}, {self.n}, {self.newest})"

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        owner = np.flatnonzero(has)
        given = values if has.all() else values.drop_nulls()
        where = (rows.time[owner], rows.order[owner])
        if is_word(self.type):
            items = Items(owner, (*where, to_words(given, self.type)))
        else:
            items = Items(owner, where, to_bytes(given, self.type))
        return Partials(has, (has.astype("i8"),), pack_lists(items, len(values)))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        items = self.items(parts)
        group = groups_of(starts, len(parts))[items.owner]
        items = Items(group, items.words, items.texts)
        time, order = items.words[:2]
        same = group[1:] == group[:-1]
        fell = (time[1:] < time[:-1]) | ((time[1:] == time[:-1]) & (order[1:] < order[:-1]))
        if (same & fell).any():
            items = items.take(np.lexsort((order, time, group)))
        count = np.bincount(group, minlength=len(starts))
        ends = np.cumsum(count)
        place = np.arange(len(items)) - (ends - count)[items.owner]
        kept = items.take(
            place >= (count - self.n)[items.owner] if self.newest else place < self.n,
        )
        count = np.minimum(count, self.n)
        return Partials(count > 0, (count,), pack_lists(kept, len(starts)))

    def items(self, parts: Partials) -> Items:
        """The items of all partials, each one's from the oldest to the newest."""
        assert parts.blob is not None
        word = is_word(self.type)
        return unpack_lists(parts.blob, parts.words[0], 3 if word else 2, texts=not word)


def shown_several(algebra: Several, item: DataType) -> Finish:
    """A list of the values, newest first, of items of type `item`; empty without any."""

    def finish(parts: Sequence[Partials]) -> Result:
        items = algebra.items(parts[0])
        items = items.take(np.lexsort((-np.arange(len(items)), items.owner)))
        if items.texts is None:
            values = from_words(items.words[2], algebra.type)
        else:
            values = from_bytes(items.texts, algebra.type)
        return listed(values, items.owner, len(parts[0]), item), 0

    return finish
