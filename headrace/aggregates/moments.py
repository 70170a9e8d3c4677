"""Mean and squared deviations, for variance: merged as Chan, Golub and LeVeque do, never by a sum of squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows, added, any_of, present, sizes_of
from headrace.aggregates.partials import Ints, Partials


@dataclass(frozen=True)
class Moments(Algebra):
    """(n, mean, low, m2): how many (a whole float), their mean as mean + low, the squared deviations from it.

    The mean has two words, since panes of large values with a small spread differ by less than its rounding.
    """

    identity = (0.0, 0.0, 0.0, 0.0)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        mean = np.asarray(values.cast(pl.Float64).fill_null(0.0).to_numpy(), "f8")
        with np.errstate(invalid="ignore"):
            m2 = mean - mean  # 0, and NaN of what is not finite, as in Spark
        return Partials(has, (has.astype("f8"), mean, np.zeros(len(mean)), m2))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        n, mean, low, m2 = parts.words
        sizes = sizes_of(starts, len(parts))
        # Deviations are from the mean of the group's largest part (so never of an empty one).
        most = np.maximum.reduceat(n, starts)
        at = np.where(n == np.repeat(most, sizes), np.arange(len(n)), len(n))
        largest = np.minimum.reduceat(at, starts)
        base, base_low = mean[largest], low[largest]
        with np.errstate(invalid="ignore", over="ignore"):
            off = (mean - np.repeat(base, sizes)) + (low - np.repeat(base_low, sizes))
            off = np.where(parts.has, off, 0.0)
            total = added(n, starts)
            shift = added(n * off, starts) / np.maximum(total, 1.0)
            apart = np.where(parts.has, off - np.repeat(shift, sizes), 0.0)
            spread = added(m2 + n * apart * apart, starts)
            rest = base_low + shift
            merged = base + rest
            return Partials(any_of(parts.has, starts), (total, merged, (base - merged) + rest, spread))
