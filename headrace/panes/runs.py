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
from headrace.panes.cells import Cells, among, codes, joined, merged, none_of, starts_of
from headrace.panes.levels import LOWEST, Level

SHORT = 2
"""The most panes of an older run that stay in the head: there they are some words, which costs less than a record."""

ReadTails: TypeAlias = Callable[[Ints, Ints], Cells]
"""(entity, run) of tail records that exist -> their panes."""


@dataclass(frozen=True)
class Moved:
    """A level after the step.

    `panes` are all panes at hand (those of the head, and of tails that were read), live and sorted;
    `loaded` says of each summary whether its run's panes are among them. `head` are the panes to keep in the
    head. `tails` are the panes of tail records to write, whole runs of them; `gone` the (entity, run) to
    delete. `wake`: when each entity is to be looked at again to let sessions go, FOREVER or None for never.
    """

    panes: Cells
    summaries: Cells
    loaded: Bools
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
    algebras = [s.algebra for s in level.slots]
    oldest = level.oldest(t)
    none, no_ints = none_of(algebras), np.zeros(0, "i8")
    if not level.run:
        kept = panes.take((panes.index >= oldest[panes.entity]) & ~reset[panes.entity])
        everything = merged(joined([kept, new]), algebras) if len(new) else kept
        return Moved(everything, none, np.zeros(0, "?"), everything, none, (no_ints, no_ints))

    run = level.run
    stored = ~among(summaries.entity, summaries.index, _runs(panes, run))  # has a tail record
    dead = ((summaries.index + 1) * run <= oldest[summaries.entity]) | reset[summaries.entity]
    gone = [(summaries.entity[dead & stored], summaries.index[dead & stored])]
    summaries, stored = summaries.take(~dead), stored[~dead]
    panes = panes.take((panes.index >= oldest[panes.entity]) & ~reset[panes.entity])

    fresh = merged(Cells(new.entity, new.index // run, new.slots), algebras) if len(new) else none
    needed = stored & (
        among(summaries.entity, summaries.index, fresh) | _cut(level, summaries.entity, summaries.index, t)
    )
    read = read_tails(summaries.entity[needed], summaries.index[needed]) if needed.any() else none
    read = read.take(read.index >= oldest[read.entity])
    everything = merged(joined([panes, read, new]), algebras)

    at_hand = ~stored | needed
    empty = (
        at_hand
        & ~among(summaries.entity, summaries.index, _runs(everything, run))
        & ~among(summaries.entity, summaries.index, fresh)
    )
    gone.append((summaries.entity[empty & stored], summaries.index[empty & stored]))
    unread = Cells(summaries.entity[~at_hand], summaries.index[~at_hand], ())
    in_tails = Cells(summaries.entity[stored & ~empty], summaries.index[stored & ~empty], ())
    summaries = merged(joined([summaries.take(~empty), fresh]), algebras)

    in_head = _of_head(_runs(everything, run), in_tails, len(t))
    rest = everything.take(~in_head)
    runs = _runs(rest, run)
    left = ~among(runs.entity, runs.index, in_tails) | among(runs.entity, runs.index, fresh)
    loaded = ~among(summaries.entity, summaries.index, unread)
    deleted = _pairs(gone)
    again = among(*deleted, runs)  # deleted by a reset, and made anew
    return Moved(
        everything,
        summaries,
        loaded,
        everything.take(in_head),
        rest.take(left),
        (deleted[0][~again], deleted[1][~again]),
    )


def tail_groups(tails: Cells, run: int) -> Ints:
    """Where each tail record's panes begin."""
    return starts_of(codes(tails.entity, tails.index // run))


def _of_head(runs: Cells, in_tails: Cells, n: int) -> Bools:
    """Which panes stay in the head, given the run of each (sorted): those of their entity's newest run, and those of
    short ones without a tail record. `n`: how many entities."""
    starts = starts_of(codes(runs.entity, runs.index))
    entity, index = runs.entity[starts], runs.index[starts]
    count = np.diff(starts, append=len(runs))
    newest = np.full(n, LOWEST)
    newest[entity] = index  # the last one stays
    kept = index == newest[entity]
    kept |= (count <= SHORT) & ~among(entity, index, in_tails)
    return np.repeat(kept, count)


def _cut(level: Level, entity: Ints, run: Ints, t: Ints) -> Bools:
    """Which runs a window begins or ends within."""
    first, end = run * level.run, (run + 1) * level.run
    cut = np.zeros(len(entity), "?")
    for window in level.windows:
        lo, hi = level.bounds(window, t)
        low, high = lo[entity], hi[entity]
        cut |= (first < low) & (low < end) | (first < high) & (high < end)
    return cut


def _runs(cells: Cells, run: int) -> Cells:
    return Cells(cells.entity, cells.index // run, ())


def _pairs(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    return np.concatenate([e for e, _ in parts]), np.concatenate([r for _, r in parts])
