"""Sums that decay: each value counts ``2 ** -(age / half_life)``, its age as of the last step at or before T.

So a value counts in full until the first step after it, decays exactly as of every step, and stands still
between them. Weights are never above 1: nothing overflows that a plain sum would not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra, Rows, added, any_of, present, sizes_of
from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.aggregates.results import Floats
from headrace.windows import FOREVER

_LEAST = -(2**63)
_GONE = 2100  # half-lives after which any double is 0


@dataclass(frozen=True)
class Decayed(Algebra):
    """(cell, now, next, old) of a partial whose newest value is in the step number `cell`.

    `now` is the sum of that step's values in full; `next` is theirs as of the step's end; `old` is the sum of
    all earlier ones as of its start. `half_life` and `step` are microseconds.
    """

    half_life: int
    step: int

    identity = (0, 0.0, 0.0, 0.0)

    @property
    def layout(self) -> str:
        return f"{type(self).__name__}({self.type}, {self.half_life}, {self.step})"

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        now = np.asarray(values.cast(pl.Float64).fill_null(0.0).to_numpy(), "f8")
        cell = rows.time // self.step
        after = self._faded(now, (cell + 1) * self.step - rows.time)
        return Partials(has, (np.where(has, cell, 0), now, after, np.zeros(len(now))))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        cell = np.where(parts.has, parts.words[0], _LEAST)
        newest = np.maximum.reduceat(cell, starts)
        has = any_of(parts.has, starts)
        until = np.repeat(newest, sizes_of(starts, len(parts)))
        same, now, after, old = self._moved(parts, np.where(parts.has, until, parts.words[0]))
        words = (np.where(same, now, 0.0), np.where(same, after, 0.0), old)
        with np.errstate(invalid="ignore"):
            sums = tuple(added(w, starts) for w in words)
        return Partials(has, (np.where(has, newest, 0), *sums))

    def as_of(self, parts: Partials, t: Ints) -> Partials:
        """One word: the decayed sum as of `t` of each partial; no value is newer than `t`."""
        same, now, _, old = self._moved(parts, np.where(parts.has, t // self.step, parts.words[0]))
        with np.errstate(invalid="ignore"):
            return Partials(parts.has, (np.where(same, now, 0.0) + old,))

    def after(self, parts: Partials, t: Ints) -> Ints:
        """The first step after each instant at which the partial's value moves; FOREVER if it never will."""
        moves = parts.has & (t - parts.words[0] * self.step < _GONE * self.half_life)
        return np.where(moves, (t // self.step + 1) * self.step, FOREVER)

    def _moved(self, parts: Partials, until: Ints) -> tuple[Bools, Floats, Floats, Floats]:
        """(whether the partial's step is `until`, its now and next, everything older as of that step)."""
        cell, now, after, old = parts.words
        same = cell == until
        steps = until - cell
        with np.errstate(invalid="ignore"):
            older = self._faded(old, steps * self.step) + self._faded(after, (steps - 1) * self.step)
        return same, now, after, np.where(same, old, older)

    def _faded(self, sums: Floats, age: Ints) -> Floats:
        weight = np.exp2(-np.maximum(age, 0) / self.half_life)
        return np.where(np.isfinite(sums), np.where(np.isfinite(sums), sums, 0.0) * weight, sums)
