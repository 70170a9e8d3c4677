"""A view that waits for its history: left out of its task's books, looked after beside the flushes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiokafka import TopicPartition

from agents.stages import ViewStage, source_stages
from agents.taking_up import TakingUp
from agents.task import Life, Task
from tests.model.definitions import FIRST

TP = TopicPartition("clicks", 0)


def waiting_task() -> Task:
    """A source's task with a view that is counted where it is read and one that is sent on, both waiting."""
    (stage,) = source_stages(FIRST, "p", clock="wall", resolve=None)
    ever, shops = cast(Any, object()), cast(Any, object())
    task = Task(TP, stage, {"ever@1": ever}, {"shops@1": shops}, cast(Any, None), life=Life.OPEN)
    task.wait("ever@1")
    task.wait("shops@1")
    return task


def test_what_waits_is_in_no_book_and_comes_back_where_it_was() -> None:
    task = waiting_task()
    ever, shops = task.waiting["ever@1"], task.waiting["shops@1"]
    assert task.books == []
    task.wait_no_more()
    assert (task.tables, task.senders, task.waiting) == ({"ever@1": ever}, {"shops@1": shops}, {})


def test_a_view_of_a_repartition_topic_comes_back_as_a_table() -> None:
    (stage,) = source_stages(FIRST, "p", clock="wall", resolve=None)
    (shops,) = (v for v in stage.shuffled)
    assert isinstance(shops, ViewStage)
    task = Task(TP, shops, {"shops@1": cast(Any, None)}, {}, cast(Any, None))
    task.wait("shops@1")
    task.wait_no_more()
    assert list(task.tables) == ["shops@1"]


async def _ready(found: bool, life: Life, *, waiting: bool = True) -> tuple[bool, int]:
    looks = 0

    async def look(_: Task) -> bool:
        nonlocal looks
        looks += 1
        return found

    task = waiting_task()
    task.life = life
    if not waiting:
        task.wait_no_more()
    return await TakingUp(look).ready(task), looks


def test_a_task_is_opened_again_once_history_is_there() -> None:
    assert asyncio.run(_ready(True, Life.OPEN)) == (True, 1)
    assert asyncio.run(_ready(False, Life.OPEN)) == (False, 1)


def test_nobody_looks_while_a_task_is_not_open_or_nothing_waits() -> None:
    assert asyncio.run(_ready(True, Life.PARKED)) == (False, 0)
    assert asyncio.run(_ready(True, Life.OPEN, waiting=False)) == (False, 0)


def test_a_look_that_is_stopped_has_ended_and_opens_nothing() -> None:
    async def stopped() -> tuple[bool, bool]:
        begun, ended = asyncio.Event(), False

        async def look(_: Task) -> bool:
            nonlocal ended
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended = True
            return True

        taking_up = TakingUp(look)
        asking = asyncio.create_task(taking_up.ready(waiting_task()))
        await begun.wait()
        await taking_up.stop_all()
        return await asking, ended

    assert asyncio.run(stopped()) == (False, True)
