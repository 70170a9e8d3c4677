"""A window's cells of each entity, written for numba: one pass over sorted panes and summaries, no values.

Plain loops over arrays, in numba's part of Python; uncompiled it serves flushes of a few entities alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.native import Native

NOTHING = 2**62
"""In place of a pane that there is not."""


def window(
    pane_entity: Any,
    pane_index: Any,
    sum_entity: Any,
    sum_run: Any,
    loaded: Any,
    first: Any,
    end: Any,
    run: int,
    order: Any,
    starts: Any,
    entity: Any,
    oldest: Any,
    next: Any,
    counts: Any,
) -> int:
    """Which rows make the window ``first <= pane < end`` of each entity: panes, then summaries, are numbered through.

    Summaries stand for whole runs inside it, panes for the others. Group i of ``order[starts[i]:starts[i + 1]]`` is of
    `entity[i]`; `counts` receives the number of groups and of rows. `oldest` receives the first pane, or first of a
    run that is not `loaded`, that is in the window, `next` the first behind it; NOTHING for none.
    """
    panes = len(pane_entity)
    sums = len(sum_entity)
    i = 0
    s = 0
    groups = 0
    rows = 0
    for e in range(len(first)):
        low = first[e]
        high = end[e]
        inside = np.int64(NOTHING)
        behind = np.int64(NOTHING)
        before = rows
        whole = False
        until = np.int64(-NOTHING)  # where the run of `whole` ends
        while True:
            at = np.int64(NOTHING)
            if i < panes and pane_entity[i] == e:
                at = pane_index[i]
            if s < sums and sum_entity[s] == e and sum_run[s] * run <= at:
                at = sum_run[s] * run
                until = at + run
                whole = at >= low and until <= high
                if whole:
                    order[rows] = panes + s
                    rows += 1
                if not loaded[s]:
                    if whole:
                        inside = min(inside, at)
                    if at >= high:
                        behind = min(behind, at)
                s += 1
            elif at != NOTHING:
                if low <= at < high:
                    inside = min(inside, at)
                    if run > 0 and at >= until:  # none without a summary, if the state is sound
                        until = (at // run + 1) * run
                        whole = until - run >= low and until <= high
                    if not whole:
                        order[rows] = i
                        rows += 1
                elif at >= high:
                    behind = min(behind, at)
                i += 1
            else:
                break
        if rows > before:
            starts[groups] = before
            entity[groups] = e
            groups += 1
        oldest[e] = inside
        next[e] = behind
    counts[0] = groups
    counts[1] = rows
    return groups


WINDOW = Native(
    window,
    "int64(int64[::1], int64[::1], int64[::1], int64[::1], boolean[::1], int64[::1], int64[::1], int64, "
    "int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])",
)
