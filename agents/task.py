"""A task: one consumed partition, the tables it feeds, and its right to write.

Owns the books of one partition (what was taken, what is durable) and its life: opening, open, parked (between
two assignments), closed. Who owns a task is decided by its producer: the last to open it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from aiokafka import TopicPartition

from agents.stages import SourceStage, ViewStage
from headrace.wire import RecordBatches
from tables.kafka.producer import TaskProducer
from tables.table import TablePartition


class Life(Enum):
    OPENING = "opening"
    OPEN = "open"
    PARKED = "parked"
    CLOSED = "closed"


@dataclass
class Pacer:
    """At most `a_second` entities a second, counted from the last that were let through (wall clock in us)."""

    a_second: int
    last: int | None = None

    def let(self, wanted: int, now: int) -> int:
        """How many of so many may go now."""
        if self.last is None or now < self.last:
            self.last = now
            return 0
        most = (now - self.last) * self.a_second // 1_000_000
        if most:
            self.last = now
        return min(wanted, most)


@dataclass(eq=False)
class Task:
    """`tables`: view id -> state on this partition; `senders`: view id -> what was sent on (shuffled views).

    `taken`: the next offset that was not yet accepted for a flush. `joined`: since it was opened, a batch that
    begins there has arrived; before that, batches fetched for an earlier opening may still come.
    `generation` changes whenever what was computed for the task is to be thrown away. `dead_from`: dead
    letters of earlier offsets were written before.
    """

    tp: TopicPartition
    stage: SourceStage | ViewStage
    tables: MutableMapping[str, TablePartition]
    senders: MutableMapping[str, TablePartition]
    producer: TaskProducer
    life: Life = Life.OPENING
    generation: int = 0
    epoch: int = 0
    taken: int = 0
    joined: bool = False
    dead_from: int = 0
    topic_id: str | None = None
    partitions: int | None = None
    """Of its topic, when the worker started."""
    clock: int | None = None
    pending: list[RecordBatches] = field(default_factory=list)
    republish: dict[str, list[bytes]] = field(default_factory=dict)
    """View id -> entities whose online values are to be written again."""
    sweeps: dict[str, bytes] = field(default_factory=dict)
    """View id -> the state key after which a sweep over all its entities goes on."""
    paces: dict[str, Pacer] = field(default_factory=dict)
    """View id -> how fast its sweep may go; without one, as fast as flushes do."""
    asked: int = 0
    """How often entities were asked to be written again; `written`: which of these askings are done, in Redis."""
    written: int = 0
    waiting: dict[str, TablePartition] = field(default_factory=dict)
    """View id -> its table, or sender's book, of a view that waits for its backfill: no event is counted for it."""
    resent: Counter[str] = field(default_factory=Counter)
    """View id -> how many entities were taken to be written again."""
    shown: int = 0
    """The last flush that is wholly in Redis, as its fence says (an opening counts as one)."""
    required: int | None = None
    """When it was opened: the flush that Redis must have had; None if there was none."""
    lost_online: bool = False
    """Redis was seen to have lost writes, and the fence was not claimed again since."""
    end: int = 0
    """The log's end as last seen, for lag."""

    @property
    def name(self) -> str:
        return f"{self.tp.topic}[{self.tp.partition}]"

    @property
    def books(self) -> list[TablePartition]:
        """Every table partition whose marker goes into this task's transactions."""
        return [*self.tables.values(), *self.senders.values()]

    def view(self, id: str) -> ViewStage:
        """The stage of a view that this task computes or sends on."""
        return (
            self.stage
            if isinstance(self.stage, ViewStage)
            else next(v for v in self.stage.views if v.id == id)
        )

    def wait(self, view: str) -> None:
        """Leave a view out until its history is there."""
        books = self.tables if view in self.tables else self.senders
        self.waiting[view] = books.pop(view)

    def wait_no_more(self) -> None:
        """Take every view in again."""
        sent = {v.id for v in self.stage.shuffled} if isinstance(self.stage, SourceStage) else set()
        for view, table in self.waiting.items():
            (self.senders if view in sent else self.tables)[view] = table
        self.waiting.clear()

    def forget(self) -> None:
        """Throw away what was computed but is not durable, and what was taken but not computed."""
        self.generation += 1
        self.pending.clear()
        for table in self.books:
            table.forget()

    def sweep_all(self) -> None:
        """Write every entity of every table online again, some in each flush."""
        self.asked += 1
        self.sweeps = dict.fromkeys(self.tables, b"")
        self.paces.clear()

    def sweep(self, view: str) -> int:
        """Write every entity of a view online again; done once `written` is at the number returned."""
        self.asked += 1
        self.sweeps[view] = b""
        self.paces.pop(view, None)
        return self.asked

    def resume(self, view: str, pace: int | None) -> None:
        """Go on with a sweep that the view's marker tells of, from the start, at its pace."""
        self.sweeps[view] = b""
        if pace is not None:
            self.paces[view] = Pacer(pace)

    def again(self, view: str, entities: Sequence[bytes]) -> int:
        """Write these entities of a view online again; done once `written` is at the number returned."""
        self.asked += 1
        self.republish.setdefault(view, []).extend(entities)
        return self.asked

    @property
    def last_flush(self) -> int:
        """The number of the last flush that was computed."""
        return max((t.computed.flush for t in self.books), default=0)
