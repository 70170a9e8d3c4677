"""What a flush computes and what it will write: the named shapes between `compute` and `persist`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
from aiokafka import TopicPartition

from agents.stages import ViewStage
from agents.task import Task
from headrace.wire import RecordBatches
from tables.kafka.outputs import Batches, Records
from tables.marker import Marker
from tables.table import Changes, TablePartition


@dataclass
class Taken:
    """What one flush takes from one task: fetched batches, timers that are due, entities to write again.

    `next_offset`: where the batches end; more may be accepted while this flush is computed.
    """

    task: Task
    generation: int
    next_offset: int
    batches: list[RecordBatches]
    due: dict[str, pl.DataFrame]
    """View id -> timers: `due` (us), `key` of the entity; an instant of -1 forces the entity to be written again."""
    fired: dict[str, Sequence[bytes]]
    """View id -> the records of those timers in the state."""
    asked: int = 0
    """Of the askings to write entities again, those that are done once this flush is written (`Task.asked`)."""


@dataclass(eq=False)
class TaskFlush:
    """Everything one task writes in one flush: all of it, in this order, or nothing.

    `outputs`: one Kafka transaction; `batches`: the same, built. `changes`: one RocksDB WriteBatch. `online`: one row
    per entity. `number`: of this flush among the task's. `asked`: see `Taken`.
    """

    task: Task
    generation: int
    next_offset: int
    number: int
    asked: int = 0
    outputs: dict[TopicPartition, list[Records]] = field(default_factory=dict)
    batches: Batches = field(default_factory=dict)
    changes: list[tuple[TablePartition, Changes]] = field(default_factory=list)
    online: list[tuple[ViewStage, pl.DataFrame]] = field(default_factory=list)
    events: int = 0
    dead: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """What else happened, by name: late_events, null_keys, tombstones, capped, copies, after_clock."""
    entities: int = 0
    state: int = 0
    """Bytes of state records that were read and are written."""

    def marker(self, table: TablePartition, **changes: object) -> Marker:
        """The marker of this flush for one of the task's tables. The flush before it is online when it is logged."""
        return table.next_marker(flush=self.number, shown=self.number - 1, **changes)

    def change(self, table: TablePartition, changes: Changes) -> None:
        """Change a table, and say so in its changelog."""
        self.changes.append((table, changes))
        records = table.prepare(changes)
        if table.changelog is not None:
            self.add(table.changelog, table.partition, records)

    def add(self, topic: str, partition: int, records: list[Records]) -> None:
        if records:
            self.outputs.setdefault(TopicPartition(topic, partition), []).extend(records)
