"""Reading windows: from a level's cells to one partial an entity, and the next instant of change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.aggregates.partials import Ints, Partials, spread
from headrace.panes.cells import Cells, codes, combined, joined, starts_of
from headrace.panes.levels import Level
from headrace.panes.runs import Moved
from headrace.windows import FOREVER, Window


@dataclass(frozen=True)
class View:
    """A window's content: one cell an entity that has any (ascending), and each entity's next change."""

    cells: Cells
    change: Ints

    def partials(self, level: Level, slot: int, n: int) -> Partials:
        """The partials of one slot for entities 0 to n."""
        return spread(self.cells.slots[slot], self.cells.entity, level.slots[slot].algebra.empty(n))


def read(level: Level, window: Window, moved: Moved, t: Ints) -> View:
    """The window as of `t` of each entity.

    `change` is an instant after T, not later than the first at which a pane leaves the window or a pane
    enters it (a closed one); FOREVER if none will.
    """
    first, end = level.bounds(window, t)
    panes, sums, run = moved.panes, moved.summaries, level.run
    inside = (panes.index >= first[panes.entity]) & (panes.index < end[panes.entity])
    covered = Cells(
        panes.entity[inside], panes.index[inside], ()
    )  # every pane at hand, in a whole run or not
    if run:
        whole = panes.index // run
        inside &= ~((whole * run >= first[panes.entity]) & ((whole + 1) * run <= end[panes.entity]))
        full = (sums.index * run >= first[sums.entity]) & ((sums.index + 1) * run <= end[sums.entity])
        upper = sums.take(full)
        used = joined([panes.take(inside), Cells(upper.entity, upper.index * run, upper.slots)])
        used = used.take(np.argsort(codes(used.entity, used.index), kind="stable"))
        unread = full & ~moved.loaded
    else:
        used = panes.take(inside)
        unread = np.zeros(0, "?")
    change = np.full(len(t), FOREVER)
    if window.size is not None:
        _leaving(level, window, covered, change)
        _leaving(level, window, Cells(sums.entity[unread], sums.index[unread] * run, ()), change)
        if window.closed:
            _entering(level, _pending(moved, end, run), change)
    cells = combined(used, used.entity, [s.algebra for s in level.slots])
    return View(cells, change)


def _pending(moved: Moved, end: Ints, run: int) -> Cells:
    """Panes, or first panes of runs, that a closed window does not show yet."""
    panes = moved.panes
    later = panes.index >= end[panes.entity]
    waiting = Cells(panes.entity[later], panes.index[later], ())
    if not run:
        return waiting
    sums = moved.summaries
    later = ~moved.loaded & (sums.index * run >= end[sums.entity])
    return joined([waiting, Cells(sums.entity[later], sums.index[later] * run, ())])


def _leaving(level: Level, window: Window, sorted_cells: Cells, change: Ints) -> None:
    oldest = starts_of(sorted_cells.entity)  # of each entity the first cell
    leaves = level.start_of(sorted_cells.index[oldest]) + (window.size or 0)
    if window.closed:
        leaves = leaves + (level.step + level.lateness)
    entity = sorted_cells.entity[oldest]
    change[entity] = np.minimum(change[entity], leaves)


def _entering(level: Level, pending: Cells, change: Ints) -> None:
    enters = level.start_of(pending.index) + (level.step + level.lateness)
    np.minimum.at(change, pending.entity, enters)
