"""Cells: panes, or summaries of runs of panes, of many entities as columns. Sorting and merging of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.partials import Bools, Ints, Partials, join


@dataclass(frozen=True)
class Cells:
    """One cell a row: its entity (a number of the flush), its index (of pane or run), a partial a slot."""

    entity: Ints
    index: Ints
    slots: tuple[Partials, ...]

    def __len__(self) -> int:
        return len(self.entity)

    def take(self, rows: Ints | Bools) -> Cells:
        """The cells at `rows` (positions, or a mask); the same object where the mask is all true."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return Cells(self.entity[rows], self.index[rows], tuple(s.take(rows) for s in self.slots))


def joined(parts: Sequence[Cells]) -> Cells:
    """The cells of all parts, one after the other."""
    full = [p for p in parts if len(p)] or [parts[0]]
    if len(full) == 1:
        return full[0]
    return Cells(
        np.concatenate([p.entity for p in full]),
        np.concatenate([p.index for p in full]),
        tuple(join(slots) for slots in zip(*(p.slots for p in full), strict=True)),
    )


def merged(cells: Cells, algebras: Sequence[Algebra]) -> Cells:
    """One cell for each (entity, index), in that order."""
    code = codes(cells.entity, cells.index)
    if not ascending(code):
        order = np.argsort(code, kind="stable")  # a merge of sorted parts: linear
        cells, code = cells.take(order), code[order]
    return combined(cells, code, algebras)


def combined(cells: Cells, code: Ints, algebras: Sequence[Algebra]) -> Cells:
    """One cell for each run of equal, contiguous `code`; entity and index are the first's."""
    starts = starts_of(code)
    if len(starts) == len(cells):
        return cells
    slots = (a.merge(s, starts) for a, s in zip(algebras, cells.slots, strict=True))
    return Cells(cells.entity[starts], cells.index[starts], tuple(slots))


def none_of(algebras: Sequence[Algebra]) -> Cells:
    """No cells."""
    empty = np.zeros(0, "i8")
    return Cells(empty, empty, tuple(a.empty(0) for a in algebras))


def codes(entity: Ints, index: Ints) -> Ints:
    """Numbers that sort and compare as (entity, index) do, within this call."""
    if len(entity) == 0:
        return entity
    low = int(index.min())
    span = int(index.max()) - low + 1
    if span.bit_length() + int(entity.max()).bit_length() > 62:  # panes of centuries apart: number them
        known, index = np.unique(index, return_inverse=True)
        low, span = 0, len(known)
    return entity * span + (index - low)


def ascending(code: Ints) -> bool:
    """Whether no number is smaller than the one before it."""
    return bool((code[1:] >= code[:-1]).all())


def starts_of(code: Ints) -> Ints:
    """Where each run of equal numbers begins."""
    if len(code) == 0:
        return np.zeros(0, "i8")
    new = np.empty(len(code), "?")
    new[0] = True
    np.not_equal(code[1:], code[:-1], out=new[1:])
    return np.flatnonzero(new)


def among(entity: Ints, index: Ints, other: Cells) -> Bools:
    """Which (entity, index) are also in `other`."""
    if len(entity) == 0 or len(other) == 0:
        return np.zeros(len(entity), "?")
    code = codes(np.concatenate([entity, other.entity]), np.concatenate([index, other.index]))
    return np.isin(code[: len(entity)], code[len(entity) :])
