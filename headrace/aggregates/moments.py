"""Mean and squared deviations, for variance: the merge of Chan, Golub and LeVeque (1979), never a sum of
squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows, added, any_of, present, sizes_of
from headrace.aggregates.partials import Ints, Partials


@dataclass(frozen=True)
class Moments(Algebra):
    """(n, mean, m2): how many, their mean, the sum of squared deviations from it. n is a whole float."""

    identity = (0.0, 0.0, 0.0)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        mean = np.asarray(values.cast(pl.Float64).fill_null(0.0).to_numpy(), "f8")
        with np.errstate(invalid="ignore"):
            return Partials(
                has, (has.astype("f8"), mean, mean - mean)
            )  # NaN of what is not finite, as in Spark

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        n, mean, m2 = parts.words
        sizes = sizes_of(starts, len(parts))
        # Deviations from one mean of the group (of its largest part, so never of an empty one) stay
        # small where
        # the values are large: around 1e9 with a spread of 1 nothing is lost.
        most = np.maximum.reduceat(n, starts)
        at = np.where(n == np.repeat(most, sizes), np.arange(len(n)), len(n))
        base = mean[np.minimum.reduceat(at, starts)]
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.where(parts.has, mean - np.repeat(base, sizes), 0.0)
            total = added(n, starts)
            shift = added(n * off, starts) / np.maximum(total, 1.0)
            apart = np.where(parts.has, off - np.repeat(shift, sizes), 0.0)
            spread = added(m2 + n * apart * apart, starts)
            return Partials(any_of(parts.has, starts), (total, base + shift, spread))
