"""Stacks: the partials of several slots side by side, a row of words a cell, as state records have them.

A row is a word of has bits for each 32 slots, then each slot's words, and one more where a slot has a value of any
length (its place in a record; nothing here). So a cell is taken, written and read as a whole, not a column at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.partials import Bools, Ints, Partials


@dataclass(frozen=True)
class Shape:
    """What the rows of a stack hold: a partial of each of `algebras`."""

    algebras: tuple[Algebra, ...]

    @property
    def masks(self) -> int:
        """How many words have has bits."""
        return max(1, -(-len(self.algebras) // 32))

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where each slot's words begin; at the end, how many words a row has."""
        places = [self.masks]
        for algebra in self.algebras:
            places.append(places[-1] + len(algebra.identity) + algebra.blob)
        return tuple(places)

    @property
    def words(self) -> int:
        """How many words a row has."""
        return self.places[-1]

    @cached_property
    def program(self) -> Ints:
        """(how, word) of each word that the compiled fold makes."""
        rows = [
            (how, self.places[i] + k)
            for i, algebra in enumerate(self.algebras)
            for k, how in enumerate(algebra.folds or ())
        ]
        return np.array(rows, "i8").reshape(-1, 2)

    def links(self) -> list[tuple[int, int]]:
        """(slot, word) of each value of any length."""
        return [(i, self.places[i + 1] - 1) for i, a in enumerate(self.algebras) if a.blob]

    def stack(self, slots: Sequence[Partials]) -> Stack:
        """A stack of these partials, one of each slot."""
        out = Stack(self, np.zeros((len(slots[0]), self.words), "i8"), {})
        for i, partials in enumerate(slots):
            out.put(i, partials)
        return out

    def empty(self) -> Stack:
        """No rows."""
        return self.stack([a.empty(0) for a in self.algebras])


@dataclass(frozen=True)
class Stack:
    """`words`: rows x the shape's words. `blobs`: the values of any length, by slot."""

    shape: Shape
    words: Ints
    blobs: dict[int, pl.Series]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def has(self) -> Bools:
        """Which rows have a value in any slot."""
        return np.asarray((self.words[:, : self.shape.masks] != 0).any(axis=1), "?")

    def slot(self, i: int, rows: Ints | None = None) -> Partials:
        """The partials of one slot, at these positions or (views) all of them."""

        def column(k: int) -> Ints:
            word: Ints = self.words[:, k]
            return word if rows is None else word[rows]

        at, words = self.shape.places[i], []
        for k, identity in enumerate(self.shape.algebras[i].identity):
            word = column(at + k)
            words.append(word.view("f8") if isinstance(identity, float) else word)
        blob = self.blobs.get(i)
        if blob is not None and rows is not None:
            blob = blob[rows]
        return Partials(column(i // 32) & np.int64(1 << (i % 32)) != 0, tuple(words), blob)

    def put(self, i: int, partials: Partials) -> None:
        """Make these the partials of slot `i`; only of a stack that is being made, and once."""
        self.words[:, i // 32] |= np.where(partials.has, np.int64(1 << (i % 32)), 0)
        self.put_values(i, partials)

    def put_values(self, i: int, partials: Partials) -> None:
        """The same, where the has bits are there already."""
        at = self.shape.places[i]
        for k, word in enumerate(partials.words):
            self.words[:, at + k] = word.view("i8")
        if partials.blob is not None:
            self.blobs[i] = partials.blob

    def take(self, rows: Ints | Bools) -> Stack:
        """The rows at these positions, or of a mask, in that order."""
        if not self.blobs:
            return Stack(self.shape, self.words[rows], {})
        mask = rows.dtype == np.bool_
        blobs = {i: b.filter(pl.Series(rows)) if mask else b[rows] for i, b in self.blobs.items()}
        return Stack(self.shape, self.words[rows], blobs)

    def part(self, start: int, end: int) -> Stack:
        """The rows from `start` to `end`, shared."""
        blobs = {i: b[start:end] for i, b in self.blobs.items()}
        return Stack(self.shape, self.words[start:end], blobs)


def joined(stacks: Sequence[Stack]) -> Stack:
    """The rows of all stacks, one after the other; at least one, all of one shape."""
    full = [s for s in stacks if len(s)] or [stacks[0]]
    if len(full) == 1:
        return full[0]
    blobs = {i: pl.concat([s.blobs[i] for s in full], rechunk=True) for i in full[0].blobs}
    return Stack(full[0].shape, np.concatenate([s.words for s in full]), blobs)
