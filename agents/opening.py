"""Opening a task: fence the predecessor, restore its tables, check them against the log, mark the new epoch.

The order is the design's: `init_transactions` first (it fences and waits for requests in flight), then read
the changelog's end, replay, write the opening markers, claim the fence in Redis; fetching begins after that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from aiokafka import TopicPartition

from agents.identity import check_topic
from agents.persist import span_of
from agents.stages import SourceStage
from agents.task import Task
from headrace.errors import PositionError
from headrace.panes import NO_TIMERS
from tables.kafka.changelog import ChangelogReader, Restored
from tables.kafka.outputs import Records, built, record
from tables.kafka.topics import Topics
from tables.marker import KEY, Marker
from tables.marker import source as source_partition
from tables.store import Batch, StateStore
from tables.table import Changes, TablePartition

log = logging.getLogger("headrace.engine")

Progress = Callable[[str, int, int], None]


class Opener:
    """Opens tasks. `changelogs` is None where the broker keeps none: the state folder is the state."""

    def __init__(
        self, store: StateStore, topics: Topics, changelogs: ChangelogReader | None, progress: Progress
    ) -> None:
        self._store = store
        self._topics = topics
        self._changelogs = changelogs
        self._progress = progress

    async def __call__(self, task: Task) -> None:
        """Leaves `task` ready to be fetched from `task.taken`. Errors as the steps raise them."""
        topic = task.tp.topic
        check_topic(task, (await asyncio.to_thread(self._topics.describe, [topic])).get(topic))
        await task.producer.open()
        task.republish.clear()
        task.sweeps.clear()
        task.paces.clear()
        task.written = task.asked
        task.wait_no_more()
        read = 0
        for view_id, table in [*task.tables.items(), *task.senders.items()]:
            read += await self._restore(task, view_id, table)
            if self._waits(task, view_id, table):
                task.wait(view_id)
        log.info("%s: restored, %d changelog records read", task.name, read)
        begin, end = await asyncio.to_thread(self._topics.bounds, *task.tp)
        name = source_partition(*task.tp)
        task.end = end
        if not task.books:  # nothing is counted here yet: what comes meanwhile is history's to bring
            task.taken = task.dead_from = end
            return
        for table in task.books:
            await self._check(task, table, name, begin, end)
        task.epoch = max((t.marker.epoch for t in task.books), default=0) + 1
        await self._mark(task)
        positions = [t.marker.positions[name] for t in task.books]
        clocks = [t.marker.clock for t in task.books if t.marker.clock is not None]
        task.taken, task.dead_from = min(positions), max(positions)
        task.clock = max(clocks, default=None)
        for view_id, table in task.tables.items():
            if table.marker.sweep:
                task.resume(view_id, table.marker.pace)

    async def look(self, task: Task) -> bool:
        """Whether a view that waits in `task` has got its history. What there is of it is then in RocksDB, so that
        opening the task again takes no longer than it would without.
        """
        found = False
        for view_id, table in list(task.waiting.items()):
            if not table.marker.positions and self._changelogs is not None:
                await self._read(task, view_id, table, self._changelogs)
            found = found or bool(table.marker.positions)
        return found

    def _waits(self, task: Task, view_id: str, table: TablePartition) -> bool:
        """Whether a view is to begin with history, and there is none yet: the first marker will be the backfill's.

        Without a changelog nobody else can write it: there the view begins where its source says.
        """
        begins_with_history = task.view(view_id).view.backfill is not None
        return self._changelogs is not None and begins_with_history and not table.marker.positions

    async def _read(
        self, task: Task, view_id: str, table: TablePartition, changelogs: ChangelogReader
    ) -> Restored:
        return await changelogs.restore(
            table,
            task.view(view_id).core.timers_of,
            lambda done, of: self._progress(f"{view_id} {task.name}", done, of),
        )

    async def _restore(self, task: Task, view_id: str, table: TablePartition) -> int:
        """Returns how many changelog records it read."""
        if self._changelogs is None:
            return 0
        restored = await self._read(task, view_id, table, self._changelogs)
        if view_id in task.tables:
            entity_of = task.view(view_id).core.entity_of
            entities = {e for e in map(entity_of, set(restored.last_flush)) if e is not None}
            task.republish[view_id] = sorted(entities)
        return restored.records

    async def _check(self, task: Task, table: TablePartition, name: str, begin: int, end: int) -> None:
        """A new table starts where its source says; a known one must find its log as it left it."""
        table.check()
        if self._changelogs is None and table.marker.topic_id not in (None, task.topic_id):
            log.warning("%s: the state is of an embedded broker that is gone: beginning anew", task.name)
            table.reset()
        marker = table.marker
        if marker.topic_id is not None and task.topic_id is not None and marker.topic_id != task.topic_id:
            raise PositionError(
                f"topic `{task.tp.topic}` was deleted and made again: offsets of `{table.name}` mean other events now. "
                "Make a new version of the view, or delete its changelog topic and the state folder"
            )
        position = marker.positions.get(name)
        if position is None:
            position = await asyncio.to_thread(self._start, task, begin, end)
            table.marker = replace(marker, positions={**marker.positions, name: position})
        elif position < begin:
            raise PositionError(
                f"{task.name}: the log begins at offset {begin}, the state of `{table.name}` ends at {position}: "
                f"{begin - position} events are gone. Make a new version of the view, or restore the topic"
            )
        elif position > end:
            raise PositionError(
                f"{task.name}: the log ends at offset {end}, the state of `{table.name}` is at {position}: "
                "the topic was cut or made again"
            )
        table.computed = table.marker

    def _start(self, task: Task, begin: int, end: int) -> int:
        """Where a new view begins on this partition: `start=` of its source; all of a repartition topic."""
        stage = task.stage
        if not isinstance(stage, SourceStage):
            return begin
        start = stage.source.start
        if start == "earliest":
            return begin
        if start == "latest":
            return end
        assert isinstance(start, int)
        return self._topics.offset_at(task.tp.topic, task.tp.partition, start // 1000)

    async def _mark(self, task: Task) -> None:
        """Write the opening markers: they carry the new epoch and, for a new view, its first position."""
        changes: list[tuple[TablePartition, Changes]] = []
        number = max((t.marker.flush for t in task.books), default=0) + 1
        # What the last flush owes Redis is still owed: `shown` stays what it was.
        outputs: dict[TopicPartition, list[Records]] = {}
        for table in task.books:
            marker = replace(
                table.marker,
                epoch=task.epoch,
                topic_id=task.topic_id,
                sequence=table.marker.sequence + 1,
                flush=number,
            )
            changes.append((table, Changes((), (), NO_TIMERS, (), marker)))
            if table.changelog is not None:
                tp = TopicPartition(table.changelog, table.partition)
                outputs.setdefault(tp, []).append(record(KEY, marker.encode()))
        shown = [t.marker.shown for t in task.books if t.marker.shown is not None]
        task.shown, task.required = number, max(shown, default=None) if task.tables else None
        spans = await task.producer.write(*built([outputs])) if outputs else {}
        batch = Batch()
        for table, change in changes:
            span = span_of(table, spans)
            # The last flush may still be missing in Redis: it stays the last flush until there is another.
            before: Marker = table.marker
            start = before.flush_start if before.changelog else span.start
            table.stage(change, batch, start, span.end)
        await asyncio.to_thread(self._store.write, batch)
        for table, change in changes:
            table.confirm(change)
            table.computed = table.marker


def republished(task: Task, view_id: str, limit: int, now: int) -> list[bytes]:
    """Entities of a view to write online again: a list, or else the next `limit` of a sweep, if its
    pace lets them (`now`: wall clock in us).

    The list is the last flush of a predecessor; it goes whole into the first flush, which then stands for it.
    """
    waiting = task.republish.pop(view_id, None)
    if waiting:
        task.resent[view_id] += len(waiting)
        return waiting
    after = task.sweeps.get(view_id)
    if after is not None and view_id in task.paces:
        limit = task.paces[view_id].let(limit, now)
    if after is None or limit <= 0:
        return []
    records = task.tables[view_id].entities(limit, after)
    if len(records) < limit:
        del task.sweeps[view_id]
        task.paces.pop(view_id, None)
    else:
        task.sweeps[view_id] = records[-1][0]
    entities = task.view(view_id).core.entities_of([key for key, _ in records])
    task.resent[view_id] += len(entities)
    return entities
