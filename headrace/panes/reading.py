"""Reading windows: from a level's cells to one partial an entity, and the next instant of change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.aggregates.partials import Ints, Partials, spread
from headrace.panes.cells import Cells
from headrace.panes.folding import folded
from headrace.panes.levels import Level
from headrace.panes.reading_kernel import NOTHING, WINDOW
from headrace.panes.runs import Moved
from headrace.windows import FOREVER, Window


@dataclass(frozen=True)
class View:
    """A window's content: one cell an entity that has any (ascending), and each entity's next change."""

    cells: Cells
    change: Ints

    def partials(self, level: Level, slot: int, n: int) -> Partials:
        """The partials of one slot for entities 0 to n."""
        return spread(self.cells.stack.slot(slot), self.cells.entity, level.slots[slot].algebra.empty(n))


def read(level: Level, window: Window, moved: Moved, t: Ints) -> View:
    """The window as of `t` of each entity.

    `change` is an instant after T, not later than the first at which a pane leaves the window or a pane
    enters it (a closed one); FOREVER if none will.
    """
    first, end = level.bounds(window, t)
    panes, sums, n = moved.panes, moved.summaries, len(t)
    most = len(panes) + len(sums)
    order, starts, entity, oldest, later = (np.empty(size, "i8") for size in (most, n, n, n, n))
    counts = np.empty(2, "i8")
    WINDOW.at_all(most)(
        panes.entity,
        panes.index,
        sums.entity,
        sums.index,
        moved.loaded,
        first,
        end,
        level.run,
        order,
        starts,
        entity,
        oldest,
        later,
        counts,
    )
    groups, rows = counts.tolist()
    entity = entity[:groups]
    cells = Cells(entity, entity, folded(moved.rows, order[:rows], starts[:groups]))
    return View(cells, _changes(level, window, oldest, later))


def _changes(level: Level, window: Window, oldest: Ints, later: Ints) -> Ints:
    """When the window's oldest pane leaves it, or, of a closed one, a later pane enters."""
    if window.size is None:
        return np.full(len(oldest), FOREVER)
    waits = level.step + level.lateness if window.closed else 0
    leaves = np.where(oldest == NOTHING, FOREVER, level.start_of(oldest) + (window.size + waits))
    if not window.closed:
        return leaves
    return np.minimum(leaves, np.where(later == NOTHING, FOREVER, level.start_of(later) + waits))
