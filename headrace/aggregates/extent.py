"""From when to when events reach: the first and the last event time of a session. Shown as no value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import LEAST, MOST, Algebra, Rows
from headrace.aggregates.partials import Ints, Partials


@dataclass(frozen=True)
class Extent(Algebra):
    """Two words: the smallest and the largest event time. Every row has it, whatever its values are."""

    identity = (2**63 - 1, -(2**63))
    folds = (LEAST, MOST)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        return Partials(np.ones(len(rows), "?"), (rows.time, rows.time))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        first, last = parts.words
        return Partials(
            np.logical_or.reduceat(parts.has, starts),
            (np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts)),
        )
