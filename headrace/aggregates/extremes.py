"""Smallest and largest. Fixed values are compared as words, all others by the rank of their bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import LEAST, MOST, Algebra, Rows, any_of, filled, present
from headrace.aggregates.partials import Ints, Partials
from headrace.aggregates.values import is_word, to_bytes, to_words
from headrace.types import DataType

_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Smallest(Algebra):
    """The smallest value, as an ordered word."""

    identity = (_MOST,)
    folds = (LEAST,)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        return _words(values, self)

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        return Partials(any_of(parts.has, starts), (np.minimum.reduceat(parts.words[0], starts),))


@dataclass(frozen=True)
class Largest(Algebra):
    """The largest value, as an ordered word."""

    identity = (_LEAST,)
    folds = (MOST,)

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        return _words(values, self)

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        return Partials(any_of(parts.has, starts), (np.maximum.reduceat(parts.words[0], starts),))


@dataclass(frozen=True)
class SmallestBytes(Algebra):
    """The smallest value, as ordered bytes."""

    identity = ()
    blob = True

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        return Partials(present(values), (), to_bytes(values, self.type))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        return _by_rank(parts, starts, sign=1)


@dataclass(frozen=True)
class LargestBytes(Algebra):
    """The largest value, as ordered bytes."""

    identity = ()
    blob = True

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        return Partials(present(values), (), to_bytes(values, self.type))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        return _by_rank(parts, starts, sign=-1)


def smallest_of(type: DataType) -> Algebra:
    """The algebra of `min` over a type that has an order."""
    return Smallest(type) if is_word(type) else SmallestBytes(type)


def largest_of(type: DataType) -> Algebra:
    """The algebra of `max` over a type that has an order."""
    return Largest(type) if is_word(type) else LargestBytes(type)


def _words(values: pl.Series, algebra: Algebra) -> Partials:
    has = present(values)
    plain = values if has.all() else values.to_physical().fill_null(strategy="zero")
    words = to_words(plain, algebra.type)
    return Partials(has, (filled(words, has, int(algebra.identity[0])),))


def _by_rank(parts: Partials, starts: Ints, sign: int) -> Partials:
    blob = parts.blob
    if len(starts) == len(parts) or blob is None:
        return parts
    rank = np.empty(len(parts), "i8")
    rank[blob.arg_sort(nulls_last=True).to_numpy()] = np.arange(len(parts))
    code = np.where(parts.has, sign * rank, _MOST)
    best = np.minimum.reduceat(code, starts)
    has = best != _MOST
    by_rank = np.empty(len(parts), "i8")
    by_rank[rank] = np.arange(len(parts))
    # A group without values keeps any of its rows: all of them are null.
    winners = np.where(has, by_rank[np.where(has, sign * best, 0)], starts)
    return Partials(has, (), blob[winners])
