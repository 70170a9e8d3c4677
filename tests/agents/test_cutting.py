"""When a flush is cut: by time beside the write of the last one, but not while a full one is being written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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

    async def _flush(self, *, timed: bool = False) -> None:
        self.due += timed
        await super()._flush(timed=timed)


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
