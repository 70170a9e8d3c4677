"""The engine of a worker: takes raw batches, flushes by size and time, and keeps each task's books.

Owns the flush loop and the life of tasks. One flush is computed while the last one is being written; nothing
is accepted beyond a bound in bytes. Faust's acks and commits play no part: positions are the state's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from aiokafka import TopicPartition

from agents.compute import Computer
from agents.flush import Taken, TaskFlush
from agents.flush_size import USUAL, FlushSize
from agents.identity import check_topic
from agents.metrics import WorkerMetrics
from agents.opening import Opener
from agents.openings import Openings
from agents.persist import Persister
from agents.taking import give_back, take
from agents.taking_up import TakingUp
from agents.task import Life, Task
from agents.whole import whole
from headrace.errors import (
    HeadraceError,
    OnlineLostError,
    PositionError,
    UnavailableError,
)
from headrace.wire import RecordBatches
from tables.kafka.topics import Topics
from tables.marker import source as source_partition

log = logging.getLogger("headrace.engine")


@dataclass(frozen=True)
class Pace:
    """How a flush is cut: `interval` seconds after the last at the latest (half of them while a flush is done within
    them), at `events`, or at about `entities` changed or `state_bytes` of their records read and written;
    `pending_bytes` bounds what waits.
    """

    interval: float = 0.1
    events: int = 100_000
    entities: int = USUAL
    state_bytes: int = 16 << 20
    pending_bytes: int = 32 << 20
    due: int = 20_000
    """Timers per view and partition taken into one flush, so that a million falls on the hour are spread."""
    flush_seconds: float = 0.08
    """How long a flush may take for its timers, computed and written, while the worker keeps up."""
    fenced_pause: float = 5.0
    """Seconds before a fenced task is opened again; longer than a heartbeat interval of the group."""


Seek = Callable[[TopicPartition, int], Awaitable[None]]
Crash = Callable[[BaseException], Awaitable[None]]


class Engine:
    """Runs tasks. `make(tp)` builds the task of a partition; `now()` is the wall clock in us.

    `seek(tp, offset)` moves and resumes a partition's fetching once its task is open; `crash(error)` stops
    the worker for an error that an operator must see.
    """

    def __init__(
        self,
        *,
        make: Callable[[TopicPartition], Task],
        opener: Opener,
        computer: Computer,
        persister: Persister,
        pace: Pace,
        now: Callable[[], int],
        metrics: WorkerMetrics,
        crash: Crash,
    ) -> None:
        self.tasks: dict[TopicPartition, Task] = {}
        self._make = make
        self._opener = opener
        self._taking_up = TakingUp(opener.look)
        self._openings = Openings(self._taking_up, self._open_once, self._opened, crash, pace.fenced_pause)
        self._compute = computer
        self._persister = persister
        self._pace = pace
        self._now = now
        self._crash = crash
        self.metrics = metrics
        self._seek: Seek | None = None
        self._cutting = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._last = 0.0
        self._flushes = 0
        self._turn = 0
        self._resting = True  # the last look found nothing to do
        self._behind = False  # the last flush was cut by its size
        self._size = FlushSize(pace.entities, pace.events, pace.flush_seconds, pace.state_bytes)

    # -- assignment

    async def assigned(self, partitions: Iterable[TopicPartition], seek: Seek) -> set[TopicPartition]:
        """Take these partitions and no others. Returns those that are ready; the others follow by `seek`."""
        self._seek = seek
        wanted = set(partitions)
        for tp in [tp for tp in self.tasks if tp not in wanted]:
            await self._close(tp)
        ready = set()
        for tp in sorted(wanted):
            task = self.tasks.get(tp)
            if task is None:
                task = self.tasks[tp] = self._make(tp)
            if task.life is Life.PARKED:
                task.life = Life.OPEN
            if task.life is Life.OPEN:
                ready.add(tp)
            elif tp not in self._openings:
                self._open(task)
        return ready

    async def park(self) -> None:
        """A rebalance begins: nothing is written until the next assignment. What is open stays warm."""
        await self._openings.stop_all()
        await self._taking_up.stop_all()
        for task in self.tasks.values():
            if task.life is Life.OPEN:
                task.life = Life.PARKED
        if self.tasks:
            log.info("the group rebalances: %d partitions wait for their assignment", len(self.tasks))

    def _open(self, task: Task, *, after: float = 0.0) -> None:
        task.life = Life.OPENING
        self._openings.begin(task, after)

    async def _open_once(self, task: Task) -> None:
        async with self._cutting:  # no flush is being computed: nothing enters the overlays meanwhile
            task.forget()
        await self._opener(task)
        if task.books:
            await self._persister.claim(task)

    async def _opened(self, task: Task) -> None:
        task.life, task.joined = Life.OPEN, False
        log.info("%s: open at offset %d, epoch %d", task.name, task.taken, task.epoch)
        assert self._seek is not None
        await self._seek(task.tp, task.taken)

    def lost(self, task: Task, error: HeadraceError) -> None:
        """A task cannot write any more: forget what is not durable and, while it is ours, open it again."""
        if task.life is Life.CLOSED or task.tp in self._openings:
            return
        log.warning("%s: %s; opening it again", task.name, error)
        task.generation += 1
        # A worker that is fenced, or misses offsets, may be a zombie that does not know yet. Its next heartbeat
        # will tell it; opening at once would only fence the new owner.
        at_once = isinstance(error, (UnavailableError, OnlineLostError))
        self._open(task, after=0.0 if at_once else self._pace.fenced_pause)

    async def take_up(self) -> None:
        """Take views up whose backfill is complete: their tasks are opened again, at the offsets where it ended."""
        for task in list(self.tasks.values()):
            if await self._taking_up.ready(task) and task.tp not in self._openings:
                log.info("%s: history is there for what waited; opening it again", task.name)
                task.generation += 1
                self._open(task)

    async def _close(self, tp: TopicPartition) -> None:
        task = self.tasks.pop(tp)
        task.life = Life.CLOSED
        task.forget()
        await self._openings.stop(tp)
        await self._taking_up.stop(tp)
        await task.producer.close()
        log.info("%s: closed at offset %d", task.name, task.taken)

    async def close(self) -> None:
        """Flush what is pending, then close every task."""
        await self.checkpoint()
        for tp in list(self.tasks):
            await self._close(tp)

    # -- events

    async def add(self, batches: RecordBatches) -> None:
        """Accept a fetched batch of an assigned partition; waits while too much is pending.

        Events that were taken before are dropped. If offsets are missing in between, the task is opened again.
        """
        task = self.tasks.get(TopicPartition(batches.topic, batches.partition))
        if task is None or task.life is not Life.OPEN or batches.next_offset <= task.taken:
            return
        if batches.start > task.taken:
            if not task.joined:
                return  # fetched before the partition was opened (again): it will come once more
            # Either the log's start moved, or another worker counted these and dropped them from its repartition
            # topic while this one slept. The marker in the changelog tells which: opening reads it.
            gap = f"fetched from offset {batches.start}, the state here ends at {task.taken}"
            self.lost(task, PositionError(gap))
            return
        task.joined = True
        if not task.books:
            task.taken = batches.next_offset
            return
        task.pending.append(replace(batches, start=task.taken))
        task.taken = batches.next_offset
        while self._pending_events() >= self._size.events or self._pending_bytes() > self._pace.pending_bytes:
            self._behind = True
            if not await self.flush():
                return  # the group rebalances

    def _pending_events(self) -> int:
        return sum(b.count for t in self.tasks.values() for b in t.pending)

    def _pending_bytes(self) -> int:
        return sum(b.nbytes for t in self.tasks.values() for b in t.pending)

    # -- flushing

    async def run(self, stopping: Callable[[], bool]) -> None:
        """The timer: a flush every interval when there is something to do."""
        loop = asyncio.get_running_loop()
        while not stopping():
            longest = self._pace.interval
            interval = longest if self._resting else self._size.interval(longest)
            await asyncio.sleep(max(interval - (loop.time() - self._last), 0.005))
            if loop.time() - self._last >= interval:
                await whole(self._flush(timed=True))

    async def flush(self, *, everything: bool = False) -> bool:
        """Compute one flush, whole even if the caller is cancelled; its writing goes on while the next is collected.

        It takes `everything` that is pending, or as much as its size allows. Whether there was anything.
        """
        return await whole(self._flush(everything=everything))

    async def _flush(self, *, timed: bool = False, everything: bool = False) -> bool:
        async with self._cutting:
            if timed and self._behind and self._busy:
                return False  # little has come since a full flush: it would take that one's turn beside the write
            self._behind = self._behind and not timed
            clock = asyncio.get_running_loop().time
            self._last = clock()
            now = self._now()
            taken = self._take(now, everything)
            self._resting = not taken
            if not taken:
                return False
            try:
                with self.metrics.stage("compute"):
                    flushes = await asyncio.to_thread(self._compute, taken, now)
            except UnavailableError as exc:  # the schema registry: keep the events, try again
                log.warning("waiting: %s", exc)
                await self._written()
                give_back(taken)
                await asyncio.sleep(1.0)
                return True
            computed = clock() - self._last
            timers = sum(len(due) for t in taken for due in t.due.values())
            self._size.seen(
                sum(f.events for f in flushes),
                sum(f.entities for f in flushes),
                timers,
                sum(f.state for f in flushes),
            )
            with self.metrics.stage("wait"):
                await self._written()
            self._writing = asyncio.create_task(
                self._write(flushes, self._last, computed), name="write flush"
            )
        return True

    def _take(self, now: int, everything: bool) -> list[Taken]:
        open_tasks = [t for t in self.tasks.values() if t.life is Life.OPEN]
        self._turn += 1
        due = self._size.due(behind=self._pending_events() >= self._size.events)
        in_turn = _from(open_tasks, self._turn)  # another is first each time: none waits for ever
        events = None if everything else self._size.events
        return take(in_turn, self._compute.instant, now, events=events, due=due, each=self._pace.due)

    async def _write(self, flushes: list[TaskFlush], cut: float, computed: float) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            done = await self._persister(flushes)
            self._flushes += 1
            self._size.took(sum(f.entities for f in flushes), computed + clock() - begun)
            self.metrics.flushed(done, clock() - cut)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            await self._crash(exc)

    @property
    def _busy(self) -> bool:
        """Whether a flush is being written."""
        return self._writing is not None and not self._writing.done()

    async def _written(self) -> None:
        if self._writing is not None:
            await asyncio.wait([self._writing])  # whoever waits may be cancelled; the write goes on

    async def checkpoint(self) -> None:
        """Flush what is pending and wait until it is durable everywhere."""
        await self.flush(everything=True)
        async with self._cutting:
            await self._written()

    async def watch_log(self, topics: Topics) -> None:
        """Look whether the log still is what the positions mean. PositionError or StateError if it is not."""
        open_tasks = [t for t in self.tasks.values() if t.life is Life.OPEN]
        found = await asyncio.to_thread(topics.describe, sorted({t.tp.topic for t in open_tasks}))
        for task in open_tasks:
            check_topic(task, found.get(task.tp.topic))
            begin, task.end = await asyncio.to_thread(topics.bounds, *task.tp)
            if task.life is Life.OPEN and not task.joined and begin > task.taken:
                raise PositionError(
                    f"{task.name}: the log begins at offset {begin}, the state ends at {task.taken}: "
                    f"{begin - task.taken} offsets are gone"
                )

    async def caught_up(self, topics: Topics) -> bool:
        """Idle, at the end that each partition has now: a flush may have written more to a repartition topic."""
        for task in list(self.tasks.values()):
            task.end = await asyncio.to_thread(partial(topics.offsets, *task.tp, end=True))
        return self.idle

    async def watch_online(self) -> None:
        """Notice, without a write at hand, that the online store lost what was written to it."""
        for task in list(self.tasks.values()):
            if task.life is Life.OPEN and task.books:
                await self._persister.watch(task)

    def committable(self) -> Mapping[TopicPartition, int]:
        """Durable positions, for Kafka's commit: a hint for the next owner and what lag is measured by."""
        out = {}
        for tp, task in self.tasks.items():
            name = source_partition(*tp)
            positions = [t.marker.positions.get(name) for t in task.books]
            known = [p for p in positions if p is not None]
            if known and task.life in (Life.OPEN, Life.PARKED):
                out[tp] = min(known)
        return out

    @property
    def progress(self) -> int:
        """A number that changes while events are taken, or flushes written."""
        return sum(t.taken for t in self.tasks.values()) + self._flushes

    @property
    def idle(self) -> bool:
        """Everything assigned is open and read to the end last seen; nothing is pending, computed or written."""
        return (
            not self._busy
            and not self._cutting.locked()
            and not self._openings
            and not self._pending_events()
            and bool(self.tasks)
            and all(t.life is Life.OPEN and t.taken >= t.end for t in self.tasks.values())
        )


def _from(tasks: Sequence[Task], turn: int) -> list[Task]:
    """All of them, beginning with another one each turn."""
    at = turn % max(len(tasks), 1)
    return [*tasks[at:], *tasks[:at]]
