"""The entities that are asked for, as dense numbers: of spine rows, and of the events that concern them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.aggregates.partials import Ints
from headrace.offline.lookup import NONE, Lookup

SPREAD = 16
"""Whole numbers are looked up in an array where they are at most so many times as far apart as there are rows."""

FAR = 1 << 61
"""Keys beyond, of either sign, are not: their distances from others may not fit a word."""


class Entities:
    """The distinct keys of a spine. `code` is the number of each row's entity; one past them for a null key."""

    def __init__(self, keys: pl.DataFrame) -> None:
        self.names = keys.columns
        self.code: Ints
        self._table: tuple[int, NDArray[np.uint32]] | None = None
        reach = _reach(keys)
        if reach is not None:
            self.code, self._n, self._table = _tabled(keys.to_series(), *reach)
            return
        known = keys.drop_nulls().unique(maintain_order=True)
        self._known = known.with_row_index("_code").with_columns(pl.col("_code").cast(pl.UInt32))
        self._n = len(known)
        self._lookup = Lookup(known)
        self.code = np.minimum(self._found(keys), np.uint32(len(known))).astype("i8")

    def __len__(self) -> int:
        return self._n

    def numbers(self, events: pl.DataFrame, keys: Sequence[pl.Expr]) -> NDArray[np.uint32]:
        """The number of each event's entity, NONE where it is none of these; `keys` as in the spine."""
        if self._table is not None:
            before, table = self._table
            column = events.select(keys[0].cast(pl.Int64).fill_null(before)).to_series().to_numpy()
            return table.take(column - before, mode="clip")
        found = events.lazy().select(
            e.alias(name) for e, name in zip(keys, self.names, strict=True)
        )  # nulls match nothing
        return self._found(found.collect())

    def _found(self, keys: pl.DataFrame) -> NDArray[np.uint32]:
        """The number of each key, NONE of those that are not known."""
        if self._lookup.whole:
            return self._lookup.numbers(keys)
        joined = keys.join(self._known, on=self.names, how="left", maintain_order="left")
        return joined["_code"].fill_null(int(NONE)).to_numpy()

    def numbered(self, events: pl.DataFrame, keys: Sequence[pl.Expr]) -> pl.DataFrame:
        """The events of these entities, in their order, with the number as ``_code``."""
        code = self.numbers(events, keys)
        return events.with_columns(pl.Series("_code", code)).filter(pl.Series(code != NONE))


def _reach(keys: pl.DataFrame) -> tuple[int, int] | None:
    """The smallest and the largest key, where there is one of whole numbers close together."""
    if keys.width != 1 or not keys.dtypes[0].is_integer() or keys.to_series().null_count() == len(keys):
        return None
    column = keys.to_series()
    lowest, highest = int(column.min()), int(column.max())  # type: ignore[arg-type]
    apart = highest - lowest >= SPREAD * max(len(keys), 1 << 15)
    return None if apart or lowest < -FAR or highest > FAR else (lowest, highest)


def _tabled(keys: pl.Series, lowest: int, highest: int) -> tuple[Ints, int, tuple[int, NDArray[np.uint32]]]:
    """Of keys within these bounds: each row's number, in the order in which keys first appear; how many there are; and
    (the key before the lowest, numbers by key from there on). NONE stands for no number, at both ends."""
    before = lowest - 1
    place = keys.cast(pl.Int64).fill_null(before).to_numpy() - before
    row = np.arange(len(place), dtype="u4")
    first = np.zeros(highest - before + 2, "u4")
    first[place[::-1]] = row[::-1]  # the last one written stays
    is_first = first[place] == row
    is_first[place == 0] = False  # nulls
    number = np.cumsum(is_first) - 1
    n = int(np.count_nonzero(is_first))
    table = np.full(len(first), NONE, "u4")
    table[place[is_first]] = np.arange(n)
    code = np.where(place == 0, n, number[first[place]])
    return code, n, (before, table)
