"""Ways in which the protocol could be broken, each with an interleaving that must show it.

A mutation replaces one thing of ours by what a hurried hand might have written. Data for `test_mutations`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agents.compute import Computer
from agents.engine import Engine
from agents.flush import TaskFlush
from agents.persist import Persister
from agents.shuffle import Coverage, decode, encode
from headrace.online import guard
from headrace.online.connection import command
from headrace.online.guard import Fence
from tables.kafka.changelog import Restored
from tables.kafka.producer import Span, TransactionalProducer
from tables.marker import Marker
from tables.table import Changes, TablePartition


@dataclass(frozen=True)
class Mutation:
    """`target` (module or class, and attribute) is replaced by `by`; `story` is where that comes out."""

    name: str
    target: str
    by: Callable[..., Any]
    story: str


# What is not replaced is called under these names.
_producer_init = TransactionalProducer.__init__
_require, _log, _persist = guard.require, Persister._log, Persister.__call__
_change, _marked, _add, _encode = TaskFlush.change, Restored.marked, Engine.add, encode
_numbers = itertools.count()


def an_id_of_its_own(self: TransactionalProducer, options: Any, transactional_id: str) -> None:
    _producer_init(self, options, f"{transactional_id}.{next(_numbers)}")


def any_epoch(connection: Any, fence_key: str, epoch: int, after: int | None = None) -> Fence:
    return guard.seen(connection, fence_key) or Fence(epoch)


def fence_without_a_watch(fence_key: str) -> bytes:
    return command(b"PING") + command(b"GET", fence_key.encode())


async def redis_first(self: Persister, flushes: Any) -> Any:
    await self._emit([f for f in flushes if f.generation == f.task.generation])
    return await _persist(self, flushes)


async def stored_though_refused(self: Persister, flushes: Any) -> Any:
    logged = await _log(self, flushes)
    there = [flush for flush, _ in logged]
    refused = [flush for flush in flushes if flush not in there]
    return [*logged, *((flush, dict.fromkeys(flush.outputs, Span(0, 1))) for flush in refused)]


def without_its_offset(self: TaskFlush, table: TablePartition, changes: Changes) -> None:
    if self.events == 0:
        changes = replace(changes, marker=replace(changes.marker, positions={}))
    _change(self, table, changes)


def with_the_end_of_what_was_fetched(self: TaskFlush, table: TablePartition, changes: Changes) -> None:
    positions = {name: offset + (self.events == 0) for name, offset in changes.marker.positions.items()}
    _change(self, table, replace(changes, marker=replace(changes.marker, positions=positions)))


def an_opening_ends_the_last_flush(self: Restored, marker: Marker, offset: int) -> None:
    self._current = self._current or [b""]
    _marked(self, marker, offset)
    self.last_flush = [key for key in self.last_flush if key]


def every_row_again(values: Any, positions: Any, where: str) -> Any:
    after, frames = dict(positions), []
    for coverage, rows in map(decode, values):
        frames += [] if rows is None else [rows]
        after[coverage.source] = coverage.end
    return frames, after, None


def from_one_before(rows: Any, coverage: Coverage) -> bytes:
    return _encode(rows, replace(coverage, start=max(0, coverage.start - 1)))


async def without_a_look_for_gaps(self: Engine, batches: Any) -> None:
    task = self.tasks.get((batches.topic, batches.partition))
    if task is not None and batches.start > task.taken and task.joined:
        task.taken = batches.start
    await _add(self, batches)


async def claimed_without_asking_kafka(self: Persister, task: Any, error: Any) -> None:
    await self.claim(task)


def nothing(*args: Any, **options: Any) -> None:
    return None


def none_again(task: Any, view_id: str, limit: int) -> list[Any]:
    task.republish.pop(view_id, None)
    return []


def all_rows(self: Computer, frame: Any, items: Any, view: str) -> Any:
    return frame


MUTATIONS = [
    Mutation(
        "each worker has a transactional id of its own",
        "tables.kafka.producer.TransactionalProducer.__init__",
        an_id_of_its_own,
        "a_zombie_commits_after_the_hand_over",
    ),
    Mutation(
        "the fence in Redis is not looked at",
        "headrace.online.guard.require",
        any_epoch,
        "a_zombie_has_committed_and_not_written",
    ),
    Mutation(
        "the fence in Redis is not watched",
        "headrace.online.guard.look",
        fence_without_a_watch,
        "a_dead_workers_write_arrives_late",
    ),
    Mutation(
        "Redis is written before the changelog",
        "agents.persist.Persister.__call__",
        redis_first,
        "a_worker_dies_between_the_batches_of_its_flush",
    ),
    Mutation(
        "the disk is written though Kafka refused",
        "agents.persist.Persister._log",
        stored_though_refused,
        "a_zombie_commits_after_the_hand_over",
    ),
    Mutation(
        "a flush of timers has no position",
        "agents.flush.TaskFlush.change",
        without_its_offset,
        "a_flush_of_timers_is_the_last_before_a_crash",
    ),
    Mutation(
        "a flush of timers counts what it did not read",
        "agents.flush.TaskFlush.change",
        with_the_end_of_what_was_fetched,
        "a_flush_of_timers_is_the_last_before_a_crash",
    ),
    Mutation(
        "a new owner does not write the last flush again",
        "agents.taking.republished",
        none_again,
        "a_worker_dies_between_the_chunks_of_its_flush",
    ),
    Mutation(
        "an opening ends the last flush",
        "tables.kafka.changelog.Restored.marked",
        an_opening_ends_the_last_flush,
        "two_owners_die_before_the_last_flush_is_written",
    ),
    Mutation(
        "what failed is not forgotten",
        "agents.task.Task.forget",
        nothing,
        "a_commit_fails_and_the_events_are_read_again",
    ),
    Mutation(
        "a view counts what it has counted",
        "agents.compute.Computer._unseen",
        all_rows,
        "a_view_is_added_to_a_source_that_was_read",
    ),
    Mutation(
        "the coverage of a record is not compared",
        "agents.shuffle.receive",
        every_row_again,
        "a_receiver_gets_rows_again",
    ),
    Mutation(
        "a sender's coverage begins before what it sends",
        "agents.shuffle.encode",
        from_one_before,
        "a_sender_dies_after_its_rows_are_committed",
    ),
    Mutation(
        "a gap in what is fetched is not noticed",
        "agents.engine.Engine.add",
        without_a_look_for_gaps,
        "a_receiver_wakes_up_after_its_topic_was_trimmed",
    ),
    Mutation(
        "a lost fence is claimed by whoever finds it lost",
        "agents.persist.Persister._lost_online",
        claimed_without_asking_kafka,
        "redis_is_emptied_under_a_zombie_that_has_committed",
    ),
]
