"""Merging of a level's cells by entity, pane and run, written for numba: one pass over sorted keys, no values.

Plain loops over arrays, in numba's part of Python; uncompiled they serve flushes of a few entities alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.native import Native

DEAD, STORED, NEEDED = 1, 2, 4
"""Of a summary: no pane of its run is live; its panes have a tail record; that record has to be read."""

ELSEWHERE, HEAD, TAIL = range(3)
"""Where a pane belongs: in a tail record that stays as it is, in the head record, in a tail record to write."""

_END = 2**63 - 1


def marks(
    sum_entity: Any,
    sum_run: Any,
    pane_entity: Any,
    pane_index: Any,
    new_entity: Any,
    new_index: Any,
    oldest: Any,
    reset: Any,
    lows: Any,
    highs: Any,
    run: int,
    out: Any,
) -> int:
    """DEAD, STORED and NEEDED of each summary, given the head's panes and the new ones; how many are needed.

    All keys are sorted. `oldest` is the first live pane of each entity; `lows` and `highs` (windows x entities) are the
    panes at which windows begin and end.
    """
    needed = 0
    i = 0
    k = 0
    for s in range(len(sum_entity)):
        e = sum_entity[s]
        first = sum_run[s] * run
        end = first + run
        while i < len(pane_entity) and (
            pane_entity[i] < e or (pane_entity[i] == e and pane_index[i] < first)
        ):
            i += 1
        stored = i == len(pane_entity) or pane_entity[i] != e or pane_index[i] >= end
        mark = STORED if stored else 0
        if end <= oldest[e] or reset[e]:
            mark |= DEAD
        elif stored:
            while k < len(new_entity) and (
                new_entity[k] < e or (new_entity[k] == e and new_index[k] < first)
            ):
                k += 1
            asked = k < len(new_entity) and new_entity[k] == e and new_index[k] < end
            for w in range(len(lows)):
                asked = asked or first < lows[w, e] < end or first < highs[w, e] < end
            if asked:
                mark |= NEEDED
                needed += 1
        out[s] = mark
    return needed


def merge(
    pane_entity: Any,
    pane_index: Any,
    tail_entity: Any,
    tail_index: Any,
    new_entity: Any,
    new_index: Any,
    sum_entity: Any,
    sum_run: Any,
    mark: Any,
    oldest: Any,
    reset: Any,
    run: int,
    short: int,
    order: Any,
    starts: Any,
    cells: Any,
    where: Any,
    sum_order: Any,
    sum_starts: Any,
    sums: Any,
    loaded: Any,
    gone: Any,
    counts: Any,
) -> int:
    """The panes and summaries after the step; `counts` receives how many panes, summaries and records to delete.

    Rows are numbered through: the head's panes, those of tails that were read, new ones, the stored summaries, and one
    for each (entity, run) of new panes. Pane i is made of the rows ``order[starts[i]:starts[i + 1]]``; `cells` has its
    entity and index, `where` its place. `sum_order`, `sum_starts`, `sums` and `loaded` say the same of summaries, and
    whether their panes are among the cells; `gone` receives entity and run of tail records to delete. `run` is 0 where
    there are no runs. `short`: as many panes of an older run stay in the head.
    """
    of_tails = len(pane_entity)
    of_new = of_tails + len(tail_entity)
    of_sums = of_new + len(new_entity)
    of_fresh = of_sums + len(sum_entity)
    i = 0
    j = 0
    k = 0
    s = 0
    n = 0
    m = 0
    d = 0
    rows = 0
    sum_rows = 0
    fresh = 0
    current = np.int64(-1)
    last_start = 0  # of the entity's newest run so far: where its panes begin and end
    last_end = 0
    last_run = np.int64(0)
    last_place = HEAD  # where they belong if there is a newer run
    last_gone = False
    while True:
        while i < of_tails and (pane_index[i] < oldest[pane_entity[i]] or reset[pane_entity[i]]):
            i += 1
        while j < len(tail_entity) and tail_index[j] < oldest[tail_entity[j]]:
            j += 1
        entity = np.int64(_END)
        if i < of_tails:
            entity = min(entity, pane_entity[i])
        if j < len(tail_entity):
            entity = min(entity, tail_entity[j])
        if k < len(new_entity):
            entity = min(entity, new_entity[k])
        if s < len(sum_entity):
            entity = min(entity, sum_entity[s])
        if entity != current:
            if last_gone:
                gone[0, d] = current
                gone[1, d] = last_run
                d += 1
            last_end = last_start
            last_gone = False
            current = entity
        if entity == _END:
            break
        first = np.int64(_END)
        if i < of_tails and pane_entity[i] == entity:
            first = pane_index[i]
        if j < len(tail_entity) and tail_entity[j] == entity:
            first = min(first, tail_index[j])
        if k < len(new_entity) and new_entity[k] == entity:
            first = min(first, new_index[k])
        its = np.int64(0)
        end = np.int64(_END)
        if run > 0:
            its = first // run if first != _END else np.int64(_END)
            if s < len(sum_entity) and sum_entity[s] == entity:
                its = min(its, sum_run[s])
            end = (its + 1) * run

        begin = n
        anew = False
        while True:
            index = end
            if i < of_tails and pane_entity[i] == entity:
                index = min(index, pane_index[i])
            if j < len(tail_entity) and tail_entity[j] == entity:
                index = min(index, tail_index[j])
            if k < len(new_entity) and new_entity[k] == entity:
                index = min(index, new_index[k])
            if index >= end:
                break
            starts[n] = rows
            cells[0, n] = entity
            cells[1, n] = index
            where[n] = HEAD
            n += 1
            if i < of_tails and pane_entity[i] == entity and pane_index[i] == index:
                order[rows] = i
                rows += 1
                i += 1
            if j < len(tail_entity) and tail_entity[j] == entity and tail_index[j] == index:
                order[rows] = of_tails + j
                rows += 1
                j += 1
            if k < len(new_entity) and new_entity[k] == entity and new_index[k] == index:
                order[rows] = of_new + k
                rows += 1
                k += 1
                anew = True
        if run == 0:
            continue

        in_tails = False
        deleted = False
        kept = False
        known = s < len(sum_entity) and sum_entity[s] == entity and sum_run[s] == its
        if known:
            stored = mark[s] & STORED != 0
            if mark[s] & DEAD != 0:
                deleted = stored
            elif n > begin:
                kept = True
                in_tails = stored
            elif stored and mark[s] & NEEDED == 0:
                kept = True
            else:
                deleted = stored
        if kept or anew:
            sum_starts[m] = sum_rows
            sums[0, m] = entity
            sums[1, m] = its
            loaded[m] = n > begin
            m += 1
            if kept:
                sum_order[sum_rows] = of_sums + s
                sum_rows += 1
            if anew:
                sum_order[sum_rows] = of_fresh + fresh
                sum_rows += 1
                fresh += 1
        if known:
            s += 1
        if n > begin:
            for c in range(last_start, last_end):
                where[c] = last_place
            if last_gone and last_place == HEAD:
                gone[0, d] = entity
                gone[1, d] = last_run
                d += 1
            last_start = begin
            last_end = n
            last_run = its
            last_gone = deleted
            last_place = HEAD if n - begin <= short else TAIL
            if in_tails:
                last_place = TAIL if anew else ELSEWHERE
        elif deleted:
            gone[0, d] = entity
            gone[1, d] = its
            d += 1
    counts[0] = n
    counts[1] = m
    counts[2] = d
    counts[3] = rows
    counts[4] = sum_rows
    return n


_KEYS = "int64[::1], int64[::1]"
MARKS = Native(
    marks,
    f"int64({_KEYS}, {_KEYS}, {_KEYS}, int64[::1], boolean[::1], int64[:, ::1], int64[:, ::1], int64, uint8[::1])",
)
MERGE = Native(
    merge,
    f"int64({_KEYS}, {_KEYS}, {_KEYS}, {_KEYS}, uint8[::1], int64[::1], boolean[::1], int64, int64, "
    "int64[::1], int64[::1], int64[:, ::1], uint8[::1], int64[::1], int64[::1], int64[:, ::1], boolean[::1], "
    "int64[:, ::1], int64[::1])",
)
