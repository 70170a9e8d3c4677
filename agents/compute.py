"""A flush, computed: raw batches in, everything that has to be written out. Pure but for reads of state.

The way of an event, as a list: decode -> accept -> project -> step (panes), or split (shuffle). Runs in a
thread while the last flush is being written. Writes nothing; what it changes waits in the tables' overlays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import numpy as np
import polars as pl

from agents import shuffle
from agents.dead_letters import records_of, refused
from agents.flush import Taken, TaskFlush
from agents.publishing import Publisher, changed
from agents.stages import SourceStage, ViewStage
from agents.task import Task
from headrace.errors import StateError
from headrace.panes import NO_TIMERS, Update
from headrace.panes.core import Clock
from headrace.wire import DeadRecord
from tables.kafka.outputs import built, record
from tables.kafka.records import key_values
from tables.marker import source as source_partition
from tables.sizes import nbytes
from tables.table import Changes


class Computer:
    """Computes flushes for one project. `partitions`: repartition topic -> its partition count; `publishers`: view id
    -> how its updates are published, for those that are."""

    def __init__(
        self,
        clock: Clock,
        dead_letter_topic: str,
        partitions: Mapping[str, int],
        publishers: Mapping[str, Publisher] | None = None,
    ) -> None:
        self._clock = clock
        self._dead_letter_topic = dead_letter_topic
        self._partitions = partitions
        self._publishers = publishers or {}

    def __call__(self, taken: Sequence[Taken], now: int) -> list[TaskFlush]:
        """One TaskFlush for each task of `taken`. `now`: wall clock in us."""
        out: list[TaskFlush] = []
        by_topic = sorted(taken, key=lambda t: (t.task.tp.topic, t.task.tp.partition))
        for _, group in groupby(by_topic, key=lambda t: t.task.tp.topic):
            items = list(group)
            stage = items[0].task.stage
            if isinstance(stage, SourceStage):
                out.extend(self._source(stage, items, now))
            else:
                out.extend(self._shuffled(stage, items, now))
        for flush, batches in zip(out, built([f.outputs for f in out]), strict=True):
            flush.batches = batches
        return out

    # -- a source's own partitions

    def _source(self, stage: SourceStage, items: Sequence[Taken], now: int) -> list[TaskFlush]:
        flushes = {t.task.tp.partition: _begin(t) for t in items}
        topic = items[0].task.tp.topic
        batches = [b for t in items for b in t.batches if b.count]
        decoded = stage.decoder.decode(batches)
        frame = decoded.frame.with_columns_seq(_topic=pl.lit(topic))
        accepted = stage.plan.accept(frame, clock=self._clock)
        dead: list[DeadRecord] = [*decoded.dead, *refused(decoded, accepted.dead)]
        for partition, newest in accepted.max_event_time.items():
            task = flushes[partition].task
            task.clock = newest if task.clock is None else max(task.clock, newest)
        counted = np.bincount(decoded.frame["_partition"].to_numpy())
        for partition in np.flatnonzero(counted).tolist():
            flushes[partition].events = int(counted[partition])
        counts = flushes[items[0].task.tp.partition].counts
        counts["tombstones"] += decoded.tombstones
        counts["after_clock"] += accepted.dropped_after_clock
        unused: set[int] | None = None
        for view in stage.views:
            here = [t for t in items if view.id not in t.task.waiting]
            rows = self._unseen(accepted.frame, items, view.id)
            projected = view.plan.project(rows)
            counts["null_keys"] += projected.skipped_null_key
            dead.extend(refused(decoded, projected.dead))
            null_keys = set(projected.null_keys)
            unused = null_keys if unused is None else unused & null_keys
            if view.repartition is None:
                _one_partition_each(view, projected.rows)
                self._step(view, here, flushes, projected.rows, now)
            else:
                self._send(view, here, flushes, projected.rows)
        nobody = [
            (row, "null_key", "every view of this source has a null in its entity key")
            for row in unused or ()
        ]
        dead.extend(refused(decoded, nobody))
        self._bury(stage, flushes, dead, now)
        return list(flushes.values())

    def _unseen(self, frame: pl.DataFrame, items: Sequence[Taken], view: str) -> pl.DataFrame:
        """Rows that this view has not counted: its own position may be ahead of the fetch, or it waits for history."""
        behind = []
        for t in items:
            if view in t.task.waiting:
                behind.append((t.task.tp.partition, BEYOND))
                continue
            book = t.task.tables.get(view) or t.task.senders[view]
            position = book.computed.positions.get(source_partition(*t.task.tp), 0)
            if any(b.start < position for b in t.batches):
                behind.append((t.task.tp.partition, position))
        for partition, position in behind:
            frame = frame.filter((pl.col("_partition") != partition) | (pl.col("_offset") >= position))
        return frame

    def _send(
        self, view: ViewStage, items: Sequence[Taken], flushes: Mapping[int, TaskFlush], rows: pl.DataFrame
    ) -> None:
        """Rows of a shuffled view, to every target partition, with the coverage they stand for."""
        assert view.repartition is not None
        count = self._partitions[view.repartition]
        parts = rows.partition_by("_partition", as_dict=True) if not rows.is_empty() else {}
        for t in items:
            task = t.task
            if not t.batches:
                continue
            sender = task.senders[view.id]
            name = source_partition(*task.tp)
            flush = flushes[task.tp.partition]
            start = sender.computed.positions.get(name, t.batches[0].start)
            if flush.next_offset <= start:
                continue
            coverage = shuffle.Coverage(name, start, flush.next_offset, task.clock)
            mine = parts.get((task.tp.partition,))
            targets = {} if mine is None else shuffle.split(mine.drop("_partition"), count)
            for target in range(count):
                value = shuffle.encode(targets.get(target), coverage)
                flush.add(view.repartition, target, [record(name.encode(), value)])
            marker = flush.marker(sender, positions={name: flush.next_offset}, clock=task.clock)
            flush.change(sender, Changes((), (), NO_TIMERS, (), marker))

    def _bury(
        self, stage: SourceStage, flushes: Mapping[int, TaskFlush], dead: Sequence[DeadRecord], now: int
    ) -> None:
        for partition, letters in groupby(sorted(dead, key=_place), key=lambda d: d.partition):
            flush = flushes[partition]
            mine = [d for d in letters if d.offset >= flush.task.dead_from]
            flush.dead += len(mine)
            if mine:
                flush.add(self._dead_letter_topic, 0, [records_of(mine, stage.source.name, now)])

    # -- the partitions of a repartition topic

    def _shuffled(self, view: ViewStage, items: Sequence[Taken], now: int) -> list[TaskFlush]:
        flushes = {t.task.tp.partition: _begin(t) for t in items}
        frames: list[pl.DataFrame] = []
        positions: dict[int, dict[str, int]] = {}
        for t in items:
            task, partition = t.task, t.task.tp.partition
            table = task.tables[view.id]
            values: list[bytes] = [v for v in key_values(t.batches)["value"].to_list() if v is not None]
            received, after, clock = shuffle.receive(values, table.computed.positions, task.name)
            if clock is not None:
                task.clock = clock if task.clock is None else max(task.clock, clock)
            after[source_partition(*task.tp)] = flushes[partition].next_offset
            positions[partition] = after
            flushes[partition].events = sum(f.height for f in received)
            frames.extend(f.with_columns(_partition=pl.lit(partition, pl.Int32)) for f in received)
        rows = pl.concat(frames) if frames else pl.DataFrame(schema=view.plan.row_schema)
        self._step(view, items, flushes, rows, now, positions)
        return list(flushes.values())

    # -- panes

    def _step(
        self,
        view: ViewStage,
        items: Sequence[Taken],
        flushes: Mapping[int, TaskFlush],
        rows: pl.DataFrame,
        now: int,
        positions: Mapping[int, dict[str, int]] | None = None,
    ) -> None:
        """Move a view's panes and note what that writes, for every task of the stage."""
        tasks = {t.task.tp.partition: t for t in items}
        due = {p: t.due[view.id] for p, t in tasks.items() if view.id in t.due}
        clocks = {p: self.instant(t.task, now) for p, t in tasks.items()}

        def read(partition: int, keys: list[bytes]) -> list[bytes | None]:
            values = tasks[partition].task.tables[view.id].read(keys)
            flushes[partition].state += nbytes(values)
            return values

        update = view.core.step(rows, due, clocks, read)
        online = _by_partition(update)
        for partition, t in tasks.items():
            task, flush = t.task, flushes[partition]
            table = task.tables[view.id]
            writes = update.partitions.get(partition)
            fired = t.due.get(view.id)
            name = source_partition(*task.tp)
            after = (
                positions[partition]
                if positions
                else {name: max(flush.next_offset, table.computed.positions.get(name, 0))}
            )
            moved = after != dict(table.computed.positions)
            if writes is None and fired is None and not moved:
                continue
            pacer = task.paces.get(view.id)
            marker = flush.marker(
                table,
                positions=after,
                clock=task.clock,
                sweep=view.id in task.sweeps,
                pace=None if pacer is None else pacer.a_second,
            )
            changes = Changes(
                writes.keys if writes else (),
                writes.values if writes else (),
                writes.timers if writes else NO_TIMERS,
                t.fired.get(view.id, ()),
                marker,
            )
            flush.change(table, changes)
            flush.state += nbytes(changes.values)
            if partition in online and view.id in self._publishers:
                publisher = self._publishers[view.id]
                told = changed(online[partition], rows["_key"], fired)
                if not told.is_empty():
                    flush.add(publisher.topic, partition, [publisher.records(told, marker.sequence)])
            if partition in online:
                flush.online.append((view, online[partition]))
                flush.entities += online[partition].height
        if tasks:
            counts = flushes[next(iter(tasks))].counts
            counts["late_events"] += update.late_events
            counts["capped"] += update.capped
            counts["copies"] += update.copies

    def instant(self, task: Task, now: int) -> int:
        """The clock of a partition (spec, section 3): wall, the newest event time accepted, or fixed."""
        if self._clock == "wall":
            return now
        if self._clock == "event":
            return BEGINNING if task.clock is None else task.clock
        return self._clock


BEGINNING = -(1 << 62)
BEYOND = 1 << 62  # any offset
_place = attrgetter("partition", "offset")


def _begin(taken: Taken) -> TaskFlush:
    number = taken.task.last_flush + 1
    return TaskFlush(taken.task, taken.generation, taken.next_offset, number, taken.asked)


def _by_partition(update: Update) -> dict[int, pl.DataFrame]:
    if update.online.is_empty():
        return {}
    return {int(k[0]): f for k, f in update.online.partition_by("_partition", as_dict=True).items()}


def _one_partition_each(view: ViewStage, rows: pl.DataFrame) -> None:
    """Raises StateError if an entity is seen on two partitions: its producers do not key as declared."""
    if rows["_partition"].n_unique() < 2:
        return
    seen = rows.select("_key", "_partition").unique()
    if seen.height == seen["_key"].n_unique():
        return
    key = seen.filter(pl.col("_key").is_duplicated())["_key"][0]
    where = seen.filter(pl.col("_key") == key)["_partition"].sort().to_list()
    raise StateError(
        f"{view.id}: entity `{key}` is on partitions {where}, though source `{view.view.source.name}` is "
        "declared to be keyed by a column of that entity. Key the topic so, or declare key=None"
    )
