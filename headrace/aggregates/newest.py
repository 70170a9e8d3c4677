"""First and latest: one value of each group, chosen by event time, then by order (topic, partition,
offset).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows, any_of, filled, present, sizes_of
from headrace.aggregates.partials import Ints, Partials, Word
from headrace.aggregates.values import is_word, to_bytes, to_words
from headrace.types import DataType

_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class _Chosen(Algebra):
    """(time, order) and a value, as a third word or as bytes."""

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        time, order = (filled(w, has, int(self.identity[0])) for w in (rows.time, rows.order))
        if self.blob:
            return Partials(has, (time, order), to_bytes(values, self.type))
        plain = values if has.all() else values.to_physical().fill_null(strategy="zero")
        return Partials(has, (time, order, to_words(plain, self.type)))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        sizes = sizes_of(starts, len(parts))
        worst = int(self.identity[0])
        reduce = np.maximum.reduceat if worst == _LEAST else np.minimum.reduceat
        time, order = parts.words[0], parts.words[1]
        tied = parts.has & (time == np.repeat(reduce(time, starts), sizes))
        order = np.where(tied, order, np.int64(worst))
        best = tied & (order == np.repeat(reduce(order, starts), sizes))
        winners = np.maximum.reduceat(np.where(best, np.arange(len(parts)), -1), starts)
        winners = np.where(
            winners < 0, starts, winners
        )  # a group without values keeps any row: all are empty
        has = any_of(parts.has, starts)
        return Partials(has, *_taken(parts, winners))


def _taken(parts: Partials, rows: Ints) -> tuple[tuple[Word, ...], pl.Series | None]:
    taken = parts.take(rows)
    return taken.words, taken.blob


@dataclass(frozen=True)
class Latest(_Chosen):
    """The newest value, in a word."""

    identity = (_LEAST, _LEAST, 0)


@dataclass(frozen=True)
class LatestBytes(_Chosen):
    """The newest value, in bytes."""

    identity = (_LEAST, _LEAST)
    blob = True


@dataclass(frozen=True)
class First(_Chosen):
    """The oldest value, in a word."""

    identity = (_MOST, _MOST, 0)


@dataclass(frozen=True)
class FirstBytes(_Chosen):
    """The oldest value, in bytes."""

    identity = (_MOST, _MOST)
    blob = True


def latest_of(type: DataType) -> Algebra:
    """The algebra of `latest` over any type."""
    return Latest(type) if is_word(type) else LatestBytes(type)


def first_of(type: DataType) -> Algebra:
    """The algebra of `first` over any type."""
    return First(type) if is_word(type) else FirstBytes(type)
