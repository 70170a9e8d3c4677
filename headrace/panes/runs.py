"""One level's step: new panes meet the stored ones, and what has to be written comes out.

Invariant of stored state, where a level has runs: every run with a live pane has a summary in the head; its panes
are either all in the head, or all in a tail record of their own. In the head are the newest run's, and those of runs
that never had more than SHORT panes: most entities have few events, and their runs would be a record each, written
once and read once more when a window cuts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from headrace.aggregates.partials import Bools, Ints
from headrace.panes import stacks
from headrace.panes.cells import Cells, combined, none_of, starts_of
from headrace.panes.folding import folded
from headrace.panes.levels import Level
from headrace.panes.runs_kernel import HEAD, MARKS, MERGE, NEEDED, TAIL
from headrace.panes.stacks import Stack

SHORT = 2
"""The most panes of an older run that stay in the head: there they are some words, which costs less than a record."""

ReadTails: TypeAlias = Callable[[Ints, Ints], Cells]
"""(entity, run) of tail records that exist -> their panes."""


@dataclass(frozen=True)
class Moved:
    """A level after the step.

    `panes` are all panes at hand (those of the head, and of tails that were read), live and sorted;
    `loaded` says of each summary whether its run's panes are among them; `rows` are the partials of both, panes
    first. `head` are the panes to keep in the head. `tails` are the panes of tail records to write, whole runs
    of them; `gone` the (entity, run) to delete. `wake`: when each entity is to be looked at again to let
    sessions go, FOREVER or None for never.
    """

    panes: Cells
    summaries: Cells
    loaded: Bools
    rows: Stack
    head: Cells
    tails: Cells
    gone: tuple[Ints, Ints]
    wake: Ints | None = None


def move(
    level: Level, new: Cells, panes: Cells, summaries: Cells, t: Ints, reset: Bools, read_tails: ReadTails
) -> Moved:
    """Merge `new` panes (live, sorted) into the stored ones as of `t` of each entity.

    Entities of `reset` lose what is stored.
    """
    oldest, run = level.oldest(t), level.run
    read = fresh = none_of(level.shape)
    marks = np.zeros(len(summaries), "u1")
    if run:
        fresh = combined(new, new.entity, new.index // run)
        bounds = [level.bounds(window, t) for window in level.windows]
        needed = MARKS.at_all(len(panes) + len(summaries))(
            summaries.entity,
            summaries.index,
            panes.entity,
            panes.index,
            new.entity,
            new.index,
            oldest,
            reset,
            np.stack([low for low, _ in bounds]),
            np.stack([high for _, high in bounds]),
            run,
            marks,
        )
        if needed:
            asked = marks & NEEDED != 0
            read = read_tails(summaries.entity[asked], summaries.index[asked])

    given = (panes, read, new)
    most, most_sums = sum(map(len, given)), len(summaries) + len(fresh)
    order, starts, cells, where = _space(most)
    sum_order, sum_starts, sums, loaded = _space(most_sums)
    gone, counts = np.empty((2, len(summaries)), "i8"), np.empty(5, "i8")
    MERGE.at_all(most + most_sums)(
        *(keys for part in (*given, summaries) for keys in (part.entity, part.index)),
        marks,
        oldest,
        reset,
        run,
        SHORT,
        order,
        starts,
        cells,
        where,
        sum_order,
        sum_starts,
        sums,
        loaded.view("?"),
        gone,
        counts,
    )
    n, m, deleted, rows, sum_rows = counts.tolist()
    source = stacks.joined([p.stack for p in (*given, summaries, fresh)])
    made = folded(
        source,
        np.concatenate([order[:rows], sum_order[:sum_rows]]),
        np.concatenate([starts[:n], sum_starts[:m] + rows]),
    )
    everything = Cells(cells[0, :n], cells[1, :n], made.part(0, n))
    where = where[:n]
    return Moved(
        panes=everything,
        summaries=Cells(sums[0, :m], sums[1, :m], made.part(n, n + m)),
        loaded=loaded[:m].view("?"),
        rows=made,
        head=everything.take(where == HEAD),
        tails=everything.take(where == TAIL),
        gone=(gone[0, :deleted], gone[1, :deleted]),
    )


def tail_groups(tails: Cells, run: int) -> Ints:
    """Where each tail record's panes begin."""
    return starts_of(tails.entity, tails.index // run)


def _space(n: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Uninitialised arrays for n cells: order, starts, (entity, index), and a byte each."""
    return np.empty(n, "i8"), np.empty(n, "i8"), np.empty((2, n), "i8"), np.empty(n, "u1")
