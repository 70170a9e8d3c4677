"""The entities that are asked for, as dense numbers: of spine rows, and of the events that concern them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.aggregates.partials import Ints

SPREAD = 32
"""Whole numbers are looked up in an array where they are at most so many times as far apart as there are keys."""

FAR = 1 << 61
"""Keys beyond, of either sign, are not: their distances from others may not fit a word."""

NONE = np.uint32(2**32 - 1)


class Entities:
    """The distinct keys of a spine. `code` is the number of each row's entity; one past them for a null key."""

    def __init__(self, keys: pl.DataFrame) -> None:
        self.names = keys.columns
        known = keys.drop_nulls().unique(maintain_order=True)
        self._known = known.with_row_index("_code").with_columns(pl.col("_code").cast(pl.UInt32))
        found = keys.join(self._known, on=self.names, how="left", maintain_order="left")["_code"]
        self.code: Ints = found.fill_null(len(known)).cast(pl.Int64).to_numpy()
        self._table = _table(known)

    def __len__(self) -> int:
        return len(self._known)

    def numbers(self, events: pl.DataFrame, keys: Sequence[pl.Expr]) -> pl.Series:
        """The number of each event's entity (UInt32), null where it is none of these; `keys` as in the spine."""
        if self._table is not None:
            return self._looked_up(events, keys[0])
        found = events.lazy().select(
            e.alias(name) for e, name in zip(keys, self.names, strict=True)
        )  # nulls match nothing
        return found.join(self._known.lazy(), on=self.names, how="left", maintain_order="left").collect()[
            "_code"
        ]

    def numbered(self, events: pl.DataFrame, keys: Sequence[pl.Expr]) -> pl.DataFrame:
        """The events of these entities, in their order, with the number as ``_code``."""
        code = self.numbers(events, keys)
        return events.with_columns(code.alias("_code")).filter(code.is_not_null())

    def _looked_up(self, events: pl.DataFrame, key: pl.Expr) -> pl.Series:
        assert self._table is not None
        before, table = self._table
        column = events.select(key.cast(pl.Int64).fill_null(before)).to_series().to_numpy()
        code = table.take(column - before, mode="clip")
        found = pl.Series(code)
        if code.max(initial=0) == NONE:
            found = found.set(found == NONE, None)
        return found


def _table(known: pl.DataFrame) -> tuple[int, NDArray[np.uint32]] | None:
    """Where there is one key of whole numbers close together: (the one before the smallest, numbers by key from there
    on). NONE stands for no number, at both ends."""
    if known.width != 1 or not known.dtypes[0].is_integer() or not len(known):
        return None
    keys = known.to_series().cast(pl.Int64).to_numpy()
    lowest, highest = int(keys.min()), int(keys.max())
    if highest - lowest >= SPREAD * max(len(keys), 1 << 15) or lowest < -FAR or highest > FAR:
        return None
    table = np.full(highest - lowest + 3, NONE, "u4")
    table[keys - (lowest - 1)] = np.arange(len(keys))
    return lowest - 1, table
