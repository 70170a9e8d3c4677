"""What a flush takes: events up to its size, the rest in order for the next, with the offset where it ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition

from agents.stages import source_stages
from agents.taking import give_back, take
from agents.task import Life, Task
from headrace.wire import Record, RecordBatches, batch_bytes
from tests.model.definitions import FIRST


def task(partition: int, *fetched: tuple[int, ...]) -> Task:
    """A task to which fetches have come, each of record batches of so many events."""
    tp = TopicPartition("clicks", partition)
    (stage,) = source_stages(FIRST, "p", clock="wall", resolve=None)
    table = SimpleNamespace(
        take_due=lambda until, limit: None, computed=SimpleNamespace(flush=0), forget=lambda: None
    )
    made = Task(tp, stage, {"ever@1": cast(Any, table)}, {}, cast(Any, None), life=Life.OPEN)
    for sizes in fetched:
        start, data = made.taken, b""
        for n in sizes:
            data += batch_bytes([Record(b"v", b"k", 7, ())] * n, base=made.taken)
            made.taken += n
        made.pending.append(RecordBatches.parse(*tp, start, data))
    return made


def taken(tasks: list[Task], events: int | None) -> list[tuple[int, int, int]]:
    """(partition, events, where they end) of a flush."""
    found = take(tasks, lambda task, now: now, 0, events=events, due=0, each=0)
    return [(t.task.tp.partition, sum(b.count for b in t.batches), t.next_offset) for t in found]


def test_without_a_limit_a_flush_takes_everything() -> None:
    assert taken([task(0, (5, 5), (5,)), task(1, (3,))], None) == [(0, 15, 15), (1, 3, 3)]


def test_a_flush_ends_within_a_fetch_and_the_next_goes_on_there() -> None:
    one = task(0, (5, 5), (5, 5))
    assert taken([one], 12) == [(0, 15, 15)]
    assert taken([one], 12) == [(0, 5, 20)]
    assert taken([one], 12) == []


def test_a_task_whose_turn_does_not_come_keeps_what_it_has() -> None:
    first, second = task(0, (5, 5)), task(1, (5, 5))
    assert taken([first, second], 10) == [(0, 10, 10)]
    assert taken([first, second], 10) == [(1, 10, 10)]


def test_what_was_given_back_is_taken_again_before_what_was_left() -> None:
    one = task(0, (5, 5), (5,))
    give_back(take([one], lambda task, now: now, 0, events=5, due=0, each=0))
    assert [(b.start, b.next_offset) for b in one.pending] == [(0, 5), (5, 10), (10, 15)]
    assert taken([one], None) == [(0, 15, 15)]
