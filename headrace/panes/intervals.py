"""Intervals of entities in time: how far those before have reached, and where a gap begins a new run of them."""

from __future__ import annotations

import numpy as np

from headrace.aggregates.partials import Bools, Ints


def reached(entity: Ints, last: Ints) -> Ints:
    """The largest `last` so far within each entity; `entity` ascends."""
    # Ranks by (entity, last) grow from entity to entity, so that one running maximum serves all of them.
    ranked = np.lexsort((last, entity))
    rank = np.empty(len(entity), "i8")
    rank[ranked] = np.arange(len(entity))
    return last[ranked][np.maximum.accumulate(rank)] if len(rank) else last


def begins(entity: Ints, first: Ints, so_far: Ints, gap: int) -> Bools:
    """Which intervals, sorted by (entity, first), begin a run: `gap` or more after all before (`reached`)."""
    new = np.ones(len(entity), "?")
    new[1:] = (entity[1:] != entity[:-1]) | (first[1:] - so_far[:-1] >= gap)
    return new
