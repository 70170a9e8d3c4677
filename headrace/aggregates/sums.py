"""Counts and sums. Integer and decimal sums are exact; float sums only ever add, never subtract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import ADD, CARRY, FLOAT, Algebra, Rows, added, any_of, filled, present
from headrace.aggregates.partials import Ints, Partials
from headrace.aggregates.values import halves
from headrace.types import FLOATS, DataType, Decimal

_LIMB = np.int64(2**32 - 1)


@dataclass(frozen=True)
class Count(Algebra):
    """How many values."""

    identity = (0,)
    folds = (ADD,)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        return Partials(has, (has.astype("i8"),))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        n = added(parts.words[0], starts)
        return Partials(n > 0, (n,))


@dataclass(frozen=True)
class FloatSum(Algebra):
    """A sum of floats: one double."""

    identity = (0.0,)
    folds = (FLOAT,)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        floats = values.cast(pl.Float64)
        return Partials(has, (np.asarray((floats if has.all() else floats.fill_null(0.0)).to_numpy(), "f8"),))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        return Partials(any_of(parts.has, starts), (added(parts.words[0], starts),))


@dataclass(frozen=True)
class ExactSum(Algebra):
    """A sum of integers, or of decimals of up to 18 digits: ``high * 2**32 + low``, 95 bits in all."""

    identity = (0, 0)
    folds = (ADD, CARRY)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        plain = values.to_physical().cast(pl.Int64)
        x = np.asarray((plain if has.all() else plain.fill_null(0)).to_numpy(), "i8")
        return Partials(has, (x >> 32, x & _LIMB))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        high, low = (added(w, starts) for w in parts.words)
        return Partials(any_of(parts.has, starts), (high + (low >> 32), low & _LIMB))


@dataclass(frozen=True)
class WideSum(Algebra):
    """A sum of decimals of more than 18 digits: four limbs of 32 bits, the first with all that is above."""

    identity = (0, 0, 0, 0)
    folds = (ADD, CARRY, CARRY, CARRY)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        low, high = (filled(w, has, 0) for w in halves(values.fill_null(0)))
        return Partials(has, (high >> 32, high & _LIMB, (low >> 32) & _LIMB, low & _LIMB))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        limbs = [added(w, starts) for w in parts.words]
        for i in (3, 2, 1):
            limbs[i - 1] = limbs[i - 1] + (limbs[i] >> 32)
            limbs[i] = limbs[i] & _LIMB
        return Partials(any_of(parts.has, starts), tuple(limbs))


def sum_of(type: DataType) -> Algebra:
    """The algebra that sums a numeric type."""
    if type in FLOATS:
        return FloatSum(type)
    return WideSum(type) if isinstance(type, Decimal) and type.precision > 18 else ExactSum(type)
