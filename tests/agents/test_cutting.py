"""When a flush is cut: by time beside the write of the last one, but not while a full one is being written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition

from agents.engine import Engine, Pace
from agents.flush import Taken
from agents.metrics import WorkerMetrics
from agents.stages import source_stages
from agents.task import Life, Task
from headrace.wire import Record, RecordBatches, batch_bytes
from tests.model.definitions import FIRST

TP = TopicPartition("clicks", 0)
FULL = 10


class Computing:
    """Notes how many events each flush took."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def __call__(self, taken: Sequence[Taken], now: int) -> list[Any]:
        self.taken.append(sum(b.count for t in taken for b in t.batches))
        return []

    def instant(self, task: Task, now: int) -> int:
        return now


class Writing:
    """Ends a write when it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, flushes: Sequence[Any]) -> list[Any]:
        self.begun.set()
        await self.may_end.wait()
        return []


def events(start: int, n: int) -> RecordBatches:
    data = batch_bytes([Record(b"v", b"k", 7, ()) for _ in range(n)], base=start)
    return RecordBatches.parse(TP.topic, TP.partition, start, data)


class Looking(Engine):
    """Counts the flushes that were due."""

    due = 0

    async def _flush(self, *, timed: bool = False, everything: bool = False) -> bool:
        self.due += timed
        return await super()._flush(timed=timed, everything=everything)


def engine(computing: Computing, writing: Writing) -> Looking:
    """One task, open, without timers; a flush is full at FULL events."""
    made = Looking(
        make=cast(Any, None),
        opener=cast(Any, SimpleNamespace(look=None)),
        computer=cast(Any, computing),
        persister=cast(Any, writing),
        pace=Pace(interval=0.001, events=FULL, entities=FULL),
        now=lambda: 0,
        metrics=WorkerMetrics(),
        crash=cast(Any, None),
    )
    (stage,) = source_stages(FIRST, "p", clock="wall", resolve=None)
    table = SimpleNamespace(take_due=lambda until, limit: None, computed=SimpleNamespace(flush=0))
    made.tasks[TP] = Task(TP, stage, {"ever@1": cast(Any, table)}, {}, cast(Any, None), life=Life.OPEN)
    return made


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - it becomes true in a thread
        await asyncio.sleep(0)


async def _after(first: int) -> tuple[list[int], list[int]]:
    """What was computed while the write of a flush of `first` events goes on and one more has come; and at last."""
    computing, writing = Computing(), Writing()
    made, stop = engine(computing, writing), False
    running = asyncio.create_task(made.run(lambda: stop))
    await made.add(events(0, first))
    await writing.begun.wait()
    await made.add(events(first, 1))
    looks = made.due
    await _until(lambda: len(computing.taken) == 2 or made.due == looks + 3)
    meanwhile = list(computing.taken)
    writing.may_end.set()
    await _until(lambda: len(computing.taken) == 2)
    stop = True
    await running
    return meanwhile, computing.taken


def test_a_flush_that_is_due_is_computed_beside_the_write_of_the_last() -> None:
    assert asyncio.run(_after(1)) == ([1, 1], [1, 1])


def test_while_a_full_flush_is_written_the_next_waits_until_it_is_full_or_the_write_has_ended() -> None:
    assert asyncio.run(_after(FULL)) == ([FULL], [FULL, 1])


def _fetch(*sizes: int) -> RecordBatches:
    """One fetch, of record batches of so many events."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    records = [[Record(b"v", b"k", 7, ())] * n for n in sizes]
    data = b"".join(batch_bytes(r, base=start) for r, start in zip(records, starts, strict=True))
    return RecordBatches.parse(TP.topic, TP.partition, 0, data)


def _alone() -> tuple[Looking, Computing]:
    """An engine whose writes end at once."""
    computing, writing = Computing(), Writing()
    writing.may_end.set()
    return engine(computing, writing), computing


def test_a_fetch_that_is_larger_than_a_flush_is_worked_off_in_several() -> None:
    async def added() -> list[int]:
        made, computing = _alone()
        await made.add(_fetch(FULL, FULL, FULL, 1))
        assert (made.tasks[TP].taken, made._pending_events()) == (3 * FULL + 1, 1)
        return computing.taken

    assert asyncio.run(added()) == [FULL, FULL, FULL]


def test_a_checkpoint_takes_everything_however_much_that_is() -> None:
    async def checked() -> list[int]:
        made, computing = _alone()
        made.tasks[TP].pending.append(_fetch(FULL, FULL, 1))
        await made.checkpoint()
        return computing.taken

    assert asyncio.run(checked()) == [2 * FULL + 1]


def test_what_waits_for_a_task_that_is_not_open_holds_no_other_up() -> None:
    async def added() -> list[int]:
        made, computing = _alone()
        waiting = replace(made.tasks[TP], tp=TopicPartition("clicks", 1), life=Life.PARKED)
        waiting.pending = [_fetch(FULL, FULL)]
        made.tasks[waiting.tp] = waiting
        await asyncio.wait_for(made.add(events(0, 1)), 10)
        return computing.taken

    assert asyncio.run(added()) == [1]
