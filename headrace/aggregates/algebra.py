"""The contract of an aggregate's algebra: partials of rows, and partials of partials. One `merge` serves all.

Event to pane, pane to pane and panes to window are the same `merge` over contiguous groups. It is
associative and, in exact algebras, commutative; ties of `first` and `latest` are broken by an order that is
part of the partial. What a merged partial shows as a value is said in `results`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from headrace.aggregates.partials import Bools, Ints, Partials, Word
from headrace.types import DataType

ADD, CARRY, FLOAT, LEAST, MOST = range(5)
"""How a word of merged partials comes of theirs: their sum; the sum, of which what is above 32 bits goes to the word
before; the sum of doubles; the smallest; the largest."""


@dataclass(frozen=True)
class Rows:
    """Where events stand: their event times (microseconds) and their order among equal times."""

    time: Ints
    order: Ints

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Algebra(ABC):
    """An algebra over values of `type`. Equal algebras share their partials.

    `identity` is a word of each column for a partial without values; its Python type (int or float) is the
    column's. `blob` is whether partials carry a value of any length besides. `folds` says how `merge` makes each word,
    where it does so word by word: so that compiled code can.
    """

    type: DataType

    identity: ClassVar[tuple[int | float, ...]]
    blob: ClassVar[bool] = False
    folds: ClassVar[tuple[int, ...] | None] = None

    @property
    def layout(self) -> str:
        """What the stored words mean: a change of it makes stored state unreadable."""
        return f"{type(self).__name__}({self.type})"

    @abstractmethod
    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        """A partial of each row; a null value gives one that is empty."""

    @abstractmethod
    def merge(self, parts: Partials, starts: Ints) -> Partials:
        """One partial of each group, with a value where any of its partials has one.

        Groups are contiguous and begin at `starts` (ascending, from 0).
        """

    def empty(self, n: int) -> Partials:
        """`n` partials without values."""
        words = tuple(np.full(n, i, "f8" if isinstance(i, float) else "i8") for i in self.identity)
        blob = pl.Series([None], dtype=pl.Binary).new_from_index(0, n) if self.blob else None
        return Partials(np.zeros(n, "?"), words, blob)


def present(values: pl.Series) -> Bools:
    """Which values are not null."""
    if values.null_count() == 0:
        return np.ones(len(values), "?")
    return np.asarray(values.is_not_null().to_numpy(), "?")


def any_of(has: Bools, starts: Ints) -> Bools:
    """Whether any of each group is true."""
    if len(starts) == len(has):
        return has
    if has.all():
        return np.ones(len(starts), "?")
    return np.logical_or.reduceat(has, starts)


def filled(words: Ints, has: Bools, identity: int) -> Ints:
    """The words, with the identity where there is no value."""
    return words if has.all() else np.where(has, words, np.int64(identity))


def sizes_of(starts: Ints, n: int) -> Ints:
    """How many rows each group has, of `n` in all."""
    return np.diff(starts, append=n)


def added(word: Word, starts: Ints) -> Word:
    """The sum of each group."""
    return word if len(starts) == len(word) else np.add.reduceat(word, starts)


def groups_of(starts: Ints, n: int) -> Ints:
    """The group of each of `n` rows."""
    return np.repeat(np.arange(len(starts)), sizes_of(starts, n))
