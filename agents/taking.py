"""What a flush takes from the open tasks: their batches, timers that are due, and entities to write online again.

Refuses to decide when a flush is cut and how large it may be. What could not be computed is given back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import polars as pl

from agents.flush import Taken
from agents.opening import republished
from agents.task import Task
from headrace.panes import NO_TIMERS, REPUBLISH, again
from headrace.wire import RecordBatches


def take(
    tasks: Sequence[Task],
    instant: Callable[[Task, int], int],
    now: int,
    *,
    events: int | None,
    due: int,
    each: int,
) -> list[Taken]:
    """What there is of `tasks`, in their order; those with nothing are left out.

    About `events` in all (None: every one); at most about `due` timers in all and `each` of a view and partition: those
    due at `instant(task, now)`, in us.
    """
    out = []
    left = events
    for task in tasks:
        timers: dict[str, pl.DataFrame] = {}
        fired: dict[str, Sequence[bytes]] = {}
        until = instant(task, now)
        for view_id, table in task.tables.items():
            limit = min(each, max(due, 0))
            found = table.take_due(until, limit)
            mine = NO_TIMERS if found is None else found.timers
            entities = republished(task, view_id, limit - len(mine), now)
            if found is not None:
                fired[view_id] = found.records
            if entities:
                mine = pl.concat([mine, again(entities)])
            due -= len(mine)
            if len(mine):
                timers[view_id] = mine
        # What was asked for is done with this flush if nothing of it is left for the next.
        asked = task.written if task.sweeps or task.republish else task.asked
        batches, task.pending = (task.pending, []) if left is None else _parted(task.pending, left)
        if left is not None:
            left -= sum(b.count for b in batches)
        if batches or timers or asked > task.written:
            end = task.pending[0].start if task.pending else task.taken
            out.append(Taken(task, task.generation, end, batches, timers, fired, asked))
    return out


def _parted(pending: Sequence[RecordBatches], events: int) -> tuple[list[RecordBatches], list[RecordBatches]]:
    """The first of them with about so many events, and the rest: a fetch is cut between its record batches."""
    out: list[RecordBatches] = []
    waiting = deque(pending)
    while waiting and events > 0:
        first, rest = waiting.popleft().cut(events)
        if rest is not None:
            waiting.appendleft(rest)
        out.append(first)
        events -= first.count
    return out, list(waiting)


def give_back(taken: Iterable[Taken]) -> None:
    """A flush could not be computed: what it took waits again, what it changed is forgotten."""
    for t in taken:
        if t.generation != t.task.generation:
            continue
        t.task.pending = [*t.batches, *t.task.pending]
        for table in t.task.books:
            table.forget()
        for view_id, due in t.due.items():
            waiting = due.filter(pl.col("due") == REPUBLISH)["key"].to_list()
            t.task.republish[view_id] = waiting + t.task.republish.get(view_id, [])
