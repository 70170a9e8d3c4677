"""Cells: panes, or summaries of runs of panes, of many entities as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.aggregates.partials import Bools, Ints
from headrace.panes import stacks
from headrace.panes.folding import folded
from headrace.panes.stacks import Shape, Stack


@dataclass(frozen=True)
class Cells:
    """One cell a row: its entity (a number of the flush), its index (of pane or run), its partials."""

    entity: Ints
    index: Ints
    stack: Stack

    def __len__(self) -> int:
        return len(self.entity)

    def take(self, rows: Ints | Bools) -> Cells:
        """The cells at `rows` (positions, or a mask); the same object where the mask is all true."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return Cells(self.entity[rows], self.index[rows], self.stack.take(rows))


def joined(parts: Sequence[Cells]) -> Cells:
    """The cells of all parts, one after the other."""
    return Cells(
        np.concatenate([p.entity for p in parts]),
        np.concatenate([p.index for p in parts]),
        stacks.joined([p.stack for p in parts]),
    )


def combined(cells: Cells, *codes: Ints) -> Cells:
    """One cell for each run of equal, contiguous `codes`; entity and index are the first's."""
    starts = starts_of(*codes)
    if len(starts) == len(cells):
        return cells
    return Cells(cells.entity[starts], cells.index[starts], folded(cells.stack, None, starts))


def none_of(shape: Shape) -> Cells:
    """No cells."""
    empty = np.zeros(0, "i8")
    return Cells(empty, empty, shape.empty())


def starts_of(*codes: Ints) -> Ints:
    """Where each run of equal numbers begins; of several columns, of equal rows."""
    n = len(codes[0])
    if n == 0:
        return np.zeros(0, "i8")
    new = np.empty(n, "?")
    new[0] = True
    np.not_equal(codes[0][1:], codes[0][:-1], out=new[1:])
    for code in codes[1:]:
        new[1:] |= code[1:] != code[:-1]
    return np.flatnonzero(new)
