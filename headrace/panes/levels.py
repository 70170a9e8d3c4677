"""Levels: which panes a view keeps. One level for each (step, offset) among its windows; lifetime is one
more.

A level has the partials that any of its aggregates need, once each. Where a window has more than `HEAD`
panes, panes are kept in runs of `run` neighbours, and each run has a summary: so a window is the summaries
of the whole runs in it and the panes of the run that its start cuts (docs/adr, state layout).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.partials import Ints
from headrace.panes.stacks import Shape
from headrace.windows import Window, end_of

HEAD = 12  # a level of at most so many live panes has no runs: all of it is in the head record
RUN = 8  # the fewest panes in a run

LOWEST = -(2**62)  # a pane index below all others, with room to add to
HIGHEST = 2**62


@dataclass(frozen=True)
class Slot:
    """One partial of a pane: an algebra over a column of the projected rows, or (None) over the rows
    themselves.
    """

    algebra: Algebra
    input: str | None


@dataclass(frozen=True)
class Level:
    """Panes of one step. `step` is 0 for the lifetime's single pane; `run` is 0 where there are no runs.

    `gap` is above 0 for sessions, which have no step: their cells are sessions, by `headrace.panes.sessions`.
    """

    step: int
    offset: int
    slots: tuple[Slot, ...]
    windows: tuple[Window, ...]
    lateness: int
    run: int
    gap: int = 0

    @cached_property
    def shape(self) -> Shape:
        """What a cell of the level holds."""
        return Shape(tuple(slot.algebra for slot in self.slots))

    def index_of(self, time: Ints) -> Ints:
        """The pane of each instant."""
        if self.step == 0:
            return np.zeros(len(time), "i8")
        return (time - self.offset) // self.step

    def start_of(self, index: Ints) -> Ints:
        """The instant at which each pane begins."""
        return index * self.step + self.offset

    def bounds(self, window: Window, t: Ints) -> tuple[Ints, Ints]:
        """The panes ``first <= index < end`` that the window covers as of `t`.

        No event is newer than `t`, so a window that reaches `t` has no end here.
        """
        if self.step == 0 or window.size is None:
            return np.full(len(t), LOWEST), np.full(len(t), HIGHEST)
        end = (end_of(window, t, self.lateness) - self.offset) // self.step
        first = end - window.size // self.step
        return first, end if window.closed else np.full(len(t), HIGHEST)

    def oldest(self, t: Ints) -> Ints:
        """The oldest pane that any window of the level still needs as of `t`."""
        oldest = self.bounds(self.windows[0], t)[0]
        for window in self.windows[1:]:
            oldest = np.minimum(oldest, self.bounds(window, t)[0])
        return oldest


def run_of(windows: Sequence[Window], step: int, lateness: int) -> int:
    """How many panes a run of such a level has; 0 for no runs."""
    panes = max(live_panes(w, step, lateness) for w in windows)
    return 0 if panes <= HEAD else max(RUN, isqrt(panes - 1) + 1)


def live_panes(window: Window, step: int, lateness: int) -> int:
    """The most panes of one entity that the window needs at once."""
    if step == 0 or window.size is None:
        return 1
    return window.size // step + (-(-lateness // step) + 1 if window.closed else 0)
