"""Emitting: the values of a flush's entities from their moved levels, and when they next change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.panes.features import Feature
from headrace.panes.levels import Level
from headrace.panes.reading import View, read
from headrace.panes.runs import Moved
from headrace.panes.sessions import read_sessions
from headrace.windows import FOREVER


@dataclass(frozen=True)
class Values:
    """A column a feature, one row an entity. `present`: some feature has an event in it. `change`: an instant
    after T, not later than the first at which any value changes by itself (FOREVER: none)."""

    columns: list[pl.Series]
    present: Bools
    change: Ints
    capped: int


def values(levels: Sequence[Level], features: Sequence[Feature], moved: Sequence[Moved], t: Ints) -> Values:
    """The features as of `t` of each entity."""
    n = len(t)
    change, present, capped = np.full(n, FOREVER), np.zeros(n, "?"), 0
    views: dict[tuple[int, int], View] = {}
    partials: dict[tuple[int, int, int], Partials] = {}

    def partial(level: int, window: int, slot: int) -> Partials:
        if (level, window) not in views:
            how = read_sessions if levels[level].gap else read
            view = how(levels[level], levels[level].windows[window], moved[level], t)
            views[level, window] = view
            np.minimum(change, view.change, out=change)
        key = (level, window, slot)
        if key not in partials:
            partials[key] = views[level, window].partials(levels[level], slot, n)
        return partials[key]

    columns = []
    for feature in features:
        parts = [[partial(p.level, p.window, s) for s in p.slots] for p in feature.parts]
        column, has, over = feature.value(parts, t)
        np.minimum(change, feature.next_fall(parts, t), out=change)
        columns.append(column)
        present |= has
        capped += over
    return Values(columns, present, change, capped)
