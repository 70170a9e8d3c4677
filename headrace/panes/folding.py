"""Folding: groups of rows of a stack become one row each. What an algebra's words do is its own affair (`folds`)."""

from __future__ import annotations

import numpy as np

from headrace.aggregates.partials import Ints
from headrace.panes.fold_kernel import FOLD
from headrace.panes.stacks import Stack


def folded(stack: Stack, order: Ints | None, starts: Ints) -> Stack:
    """A row for each group: the rows ``order[starts[i]:starts[i + 1]]`` merged, in that order; None for as they are."""
    shape = stack.shape
    kernel = FOLD.worth(len(stack)) if len(starts) else None
    if kernel is None:
        taken = stack if order is None else stack.take(order)
        if len(starts) == len(taken):
            return taken
        slots = [a.merge(taken.slot(i), starts) for i, a in enumerate(shape.algebras)]
        return shape.stack(slots)
    words = np.empty((len(starts), shape.words), "i8")
    kernel(
        stack.words,
        stack.words.view("f8"),
        np.arange(len(stack)) if order is None else order,
        starts,
        shape.masks,
        shape.program,
        words,
        words.view("f8"),
    )
    out = Stack(shape, words, {})
    for i, algebra in enumerate(shape.algebras):
        if algebra.folds is None:
            out.put_values(i, algebra.merge(stack.slot(i, order), starts))
    return out
