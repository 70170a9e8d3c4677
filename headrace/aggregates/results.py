"""From merged partials to values: what an aggregate shows. Result types follow Spark.

Every function takes the partials of its algebras, one row an entity, and gives the typed column and how many
values were capped because they do not fit their type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context
from decimal import Decimal as PyDecimal
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.aggregates.values import decimals, from_bytes, from_words
from headrace.types import DataType, Decimal

Result: TypeAlias = tuple[pl.Series, int]
Floats: TypeAlias = NDArray[np.float64]
Finish: TypeAlias = Callable[[Sequence[Partials]], Result]

_LEAST, _MOST = -(2**63), 2**63 - 1


def counted(parts: Sequence[Partials]) -> Result:
    """The number of values, Int64; 0 without any."""
    return pl.Series(parts[0].words[0]), 0


def summed_floats(parts: Sequence[Partials]) -> Result:
    """The sum, Float64; 0 without any."""
    return pl.Series(parts[0].words[0]), 0


def summed_integers(parts: Sequence[Partials]) -> Result:
    """The sum, Int64, capped at its ends; 0 without any."""
    high, low = parts[0].words
    over, under = high >= 2**31, high < -(2**31)
    exact = np.where(over, _MOST, np.where(under, _LEAST, (high << 32) + low))
    return pl.Series(exact), int(over.sum() + under.sum())


def summed_decimals(type: Decimal) -> Finish:
    """The sum as a decimal of `type`, null where it has more digits; 0 without any."""

    def finish(parts: Sequence[Partials]) -> Result:
        words = parts[0].words
        if len(words) == 2:
            high, low = words
            return decimals((high << 32) + low, high >> 32, type), 0
        top, upper, middle, low = words
        limit = 10**type.precision
        huge = np.abs(top.astype("f8")) * 2.0**96 >= 0.99 * limit
        low_word, high_word = (middle << 32) + low, (top << 32) + upper
        for i in np.flatnonzero(huge):
            exact = (int(top[i]) << 96) + (int(upper[i]) << 64) + (int(middle[i]) << 32) + int(low[i])
            huge[i] = abs(exact) >= limit
        fit_low, fit_high = np.where(huge, 0, low_word), np.where(huge, 0, high_word)
        series = decimals(fit_low, fit_high, type)
        return (series.set(pl.Series(huge), None) if huge.any() else series), int(huge.sum())

    return finish


def averaged(parts: Sequence[Partials]) -> Result:
    """Sum over count, Float64; null without any."""
    total, n = parts[0], parts[1].words[0]
    if len(total.words) == 2:
        high, low = total.words
        sums = high.astype("f8") * 2.0**32 + low
    else:
        sums = total.words[0]
    return _nullable(sums / np.maximum(n, 1), n == 0), 0


def averaged_decimals(type: Decimal, scale: int) -> Finish:
    """Sum of decimals of `scale` over count as a decimal of `type`, rounded half up; null without any."""
    exact = Context(prec=100, rounding=ROUND_HALF_UP)
    unit = PyDecimal(1).scaleb(-type.scale)
    limit = PyDecimal(10) ** (type.precision - type.scale)

    def finish(parts: Sequence[Partials]) -> Result:
        out: list[PyDecimal | None] = []
        for n, *limbs in zip(parts[1].words[0].tolist(), *(w.tolist() for w in parts[0].words), strict=True):
            total = 0
            for limb in limbs:
                total = (total << 32) + limb
            mean = None
            if n:
                mean = exact.quantize(
                    exact.divide(PyDecimal(total).scaleb(-scale, exact), PyDecimal(n)), unit
                )
            out.append(mean if mean is not None and abs(mean) < limit else None)
        return pl.Series(out, dtype=type.polars), 0

    return finish


def varied(*, population: bool, root: bool) -> Finish:
    """Variance, or its root; of a sample of one, and without any, null."""

    def finish(parts: Sequence[Partials]) -> Result:
        n, _, _, m2 = parts[0].words
        least = 1 if population else 2
        variance = m2 / np.maximum(n if population else n - 1, 1)
        return _nullable(np.sqrt(variance) if root else variance, n < least), 0

    return finish


def shown_word(type: DataType, at: int = 0) -> Finish:
    """The value in word `at`; null without any."""

    def finish(parts: Sequence[Partials]) -> Result:
        has = parts[0].has
        words: Ints = parts[0].words[at]
        series = from_words(words if has.all() else np.where(has, words, 0), type)
        return (series if has.all() else series.set(pl.Series(~has), None)), 0

    return finish


def shown_truth(*, empty: bool) -> Finish:
    """Whether the word is not 0; `empty` without any."""

    def finish(parts: Sequence[Partials]) -> Result:
        return pl.Series(np.where(parts[0].has, parts[0].words[0] != 0, empty)), 0

    return finish


def shown_bytes(type: DataType) -> Finish:
    """The value in the blob; null without any."""

    def finish(parts: Sequence[Partials]) -> Result:
        blob = parts[0].blob
        assert blob is not None
        return from_bytes(blob, type), 0

    return finish


def listed(values: pl.Series, owner: Ints, n: int, item: DataType) -> pl.Series:
    """`n` lists of type `item`, of the values with their list's number (ascending); empty without any."""
    frame = pl.DataFrame([pl.Series("o", owner, dtype=pl.Int64), values.cast(item.polars).alias("v")])
    lists = frame.group_by("o", maintain_order=True).agg("v")
    every = pl.DataFrame([pl.Series("o", np.arange(n))])
    found = every.join(lists, on="o", how="left", maintain_order="left")["v"]
    empty = pl.Series([[]], dtype=pl.List(item.polars))
    return found.zip_with(found.is_not_null(), empty.new_from_index(0, n)) if n else found


def _nullable(values: Floats, null: Bools) -> pl.Series:
    series = pl.Series(values)
    return series.set(pl.Series(null), None) if null.any() else series
