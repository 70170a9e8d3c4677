"""The history flow: source topics into one Delta table per source, each event exactly once.

A process and consumer group of its own. Positions are the table's: fetching begins where it ends, and Kafka's
commit is only a hint. What cannot be decoded or has no event time is the worker's to bury; here it is passed
over. While the store is away, fetching pauses and memory stays bounded.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl
from aiokafka import TopicPartition

from agents.features import Consumer
from agents.whole import whole
from headrace.errors import FencedError, PositionError, UnavailableError
from headrace.history.table import HistoryTable
from headrace.plan import SourcePlan
from headrace.wire import RecordBatches, SourceDecoder

log = logging.getLogger("headrace.history")


@dataclass(eq=False)
class Keeper:
    """One source on its way into its table. Books are per partition: `position` is the table's, `taken` ours."""

    name: str
    plan: SourcePlan
    decoder: SourceDecoder
    table: HistoryTable
    opened: bool = False
    position: dict[TopicPartition, int] = field(default_factory=dict)
    taken: dict[TopicPartition, int] = field(default_factory=dict)
    pending: list[RecordBatches] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the table is asked or written: a partition may be looked up while others are committed."""

    @property
    def events(self) -> int:
        return sum(b.count for b in self.pending)

    @property
    def nbytes(self) -> int:
        return sum(b.nbytes for b in self.pending)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Let go of what was taken of these partitions: they are not ours to write, or not from there."""
        gone = set(partitions)
        self.pending = [b for b in self.pending if TopicPartition(b.topic, b.partition) not in gone]
        for tp in gone:
            self.taken.pop(tp, None)
            self.position.pop(tp, None)

    def append(self, rows: pl.DataFrame, spans: Mapping[tuple[str, int], tuple[int, int]]) -> None:
        """`HistoryTable.append`, one at a time."""
        with self.lock:
            self.table.append(rows, spans)

    def rows(self, batches: list[RecordBatches], ingested_at: int) -> pl.DataFrame:
        """The rows of a commit: the source's columns and ours; `ingested_at` in us."""
        frames = []
        by_topic: dict[str, list[RecordBatches]] = {}
        for b in batches:
            by_topic.setdefault(b.topic, []).append(b)
        for topic, group in by_topic.items():
            decoded = self.decoder.decode(group)
            frame = decoded.frame.with_columns(_topic=pl.lit(topic))
            frames.append(self.plan.accept(frame, clock="wall").frame)
        instant = pl.Datetime("us", "UTC")
        return (
            pl.concat(frames)
            .with_columns(
                _timestamp=pl.col("_timestamp").cast(instant),
                _ingested_at=pl.lit(ingested_at).cast(instant),
                _date=pl.col("_event_time").cast(instant).dt.date(),
            )
            .select(*self.table.schema.types, "_date")
        )


class HistoryFlow:
    """Implements the transport's `Flow`. `every` s or `events` make a commit; `pending_bytes` bound what waits.

    `start(topic, partition)`: where a log begins, and so a table that never saw the partition. `now()`: wall clock
    in us. `fenced_pause`: seconds before a fenced partition is opened again, longer than a heartbeat of the group: by
    then a writer that had slept knows what is still its own.
    """

    def __init__(
        self,
        keepers: Mapping[str, Keeper],
        *,
        every: float,
        events: int,
        now: Callable[[], int],
        start: Callable[[str, int], int],
        settling: Callable[[], bool],
        crash: Callable[[BaseException], Awaitable[None]],
        failpoint: Callable[[str], None],
        pending_bytes: int = 256 << 20,
        fenced_pause: float = 5.0,
    ) -> None:
        self._keepers = keepers  # by topic; a source of several topics stands under each
        self.raw_topics = frozenset(keepers)
        self.fetch_wait_ms = 500
        self.fetch_min_bytes = 1 << 16
        self._every = every
        self._events = events
        self._now = now
        self._start = start
        self._settling = settling
        self._crash = crash
        self._failpoint = failpoint
        self._pending_bytes = pending_bytes
        self._fenced_pause = fenced_pause
        self._assigned: set[TopicPartition] = set()
        self._consumer: Consumer | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._assignments = 0
        self._committing = asyncio.Lock()
        self.committed = 0

    @property
    def sources(self) -> list[Keeper]:
        return list(dict.fromkeys(self._keepers.values()))

    # -- assignment

    async def assigned(self, partitions: Iterable[TopicPartition], consumer: Consumer) -> Mapping[Any, int]:
        """Where to fetch from is in the tables: looked up in the background, since the store may be away."""
        self._assigned = set(partitions)
        self._consumer = consumer
        self._open(self._assigned)
        return {}

    def _open(self, partitions: Iterable[TopicPartition], *, after: float = 0.0) -> None:
        opening = asyncio.create_task(self._opened(frozenset(partitions), after), name="open history")
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _stop_opening(self) -> None:
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        if opening:
            await asyncio.wait(opening)

    async def _opened(self, partitions: frozenset[TopicPartition], after: float) -> None:
        assert self._consumer is not None
        try:
            await asyncio.sleep(after)
            for keeper in self.sources:
                mine = sorted(tp for tp in partitions if self._keepers[tp.topic] is keeper)
                if not mine:
                    continue
                found = await self._waiting(partial(self._positions, keeper, mine))
                for tp in mine:
                    at = found[tp]
                    keeper.position[tp] = keeper.taken[tp] = at
                    log.info("%s[%d]: history continues at offset %d", *tp, at)
                    await self._consumer.release(tp, at)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            await self._crash(exc)

    def _positions(self, keeper: Keeper, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        with keeper.lock:
            if not keeper.opened:
                keeper.table.open_or_create()
                keeper.opened = True
            stands = keeper.table.positions([(tp.topic, tp.partition) for tp in partitions])
        out = {}
        for tp in partitions:
            at = stands[tp.topic, tp.partition]
            out[tp] = self._start(tp.topic, tp.partition) if at is None else at
        return out

    async def _waiting(self, call: Callable[[], Any]) -> Any:
        """Call in a thread, again and again with growing pauses while the store is away."""
        attempt = 0
        while True:
            try:
                return await asyncio.to_thread(call)
            except UnavailableError as exc:
                attempt += 1
                log.warning("waiting: %s", exc)
                await asyncio.sleep(min(0.2 * 2**attempt, 15.0))

    async def revoked(self) -> None:
        self._assignments += 1
        await self._stop_opening()
        for keeper in self.sources:
            keeper.forget(set(keeper.taken))

    # -- events

    async def add(self, batches: RecordBatches) -> None:
        """Take a fetched batch. Waits while too much is pending. Raises PositionError for missing offsets."""
        tp = TopicPartition(batches.topic, batches.partition)
        keeper = self._keepers[tp.topic]
        taken = keeper.taken.get(tp)
        if taken is None or batches.next_offset <= taken:
            return
        if batches.start > taken:
            begin = await self._waiting(partial(self._start, *tp))
            if begin <= taken:
                return  # fetched before the partition was opened again: what is missing comes by the seek
            raise PositionError(
                f"{tp.topic}[{tp.partition}]: the log begins at offset {begin}, history ends at {taken}: "
                f"{begin - taken} offsets are gone. Accept the gap by a new source name, or restore the topic"
            )
        keeper.pending.append(replace(batches, start=taken))
        keeper.taken[tp] = batches.next_offset
        if keeper.events >= self._events or sum(k.nbytes for k in self.sources) > self._pending_bytes:
            await self.commit(keeper)

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Commit what is pending at every interval."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._every
        while not stopping():
            await asyncio.sleep(min(0.1, max(due - loop.time(), 0.01)))
            if loop.time() >= due:
                due = loop.time() + self._every
                for keeper in self.sources:
                    await self.commit(keeper)

    async def commit(self, keeper: Keeper) -> None:
        """One commit of everything pending of a source, whole even if the caller is cancelled.

        A fenced writer forgets what it took, since somebody else wrote of it, and goes on from where the table stands
        if the partitions are still its own: the other may have been one that slept through its session.
        """
        await whole(self._commit(keeper))

    async def _commit(self, keeper: Keeper) -> None:
        async with self._committing:
            batches, keeper.pending = keeper.pending, []
            if not batches:
                return
            assignment = self._assignments
            places = {TopicPartition(b.topic, b.partition) for b in batches}
            ends = {tp: max(b.next_offset for b in batches if (b.topic, b.partition) == tp) for tp in places}
            spans = {tuple(tp): (keeper.position[tp], ends[tp]) for tp in places}
            try:
                rows = await self._waiting(lambda: keeper.rows(batches, self._now()))
                self._failpoint("before_commit")
                await self._waiting(lambda: keeper.append(rows, spans))
                self._failpoint("after_commit")
            except FencedError as exc:
                log.warning("%s: %s", keeper.name, exc)
                if assignment == self._assignments:
                    keeper.forget(places)
                    self._open(places, after=self._fenced_pause)
                return
            except Exception as exc:
                await self._crash(exc)
                raise
            if assignment == self._assignments:
                keeper.position.update(ends)
            self.committed += rows.height
            log.info("%s: %d events committed", keeper.name, rows.height)

    async def durable(self) -> Mapping[TopicPartition, int]:
        if self._settling():
            for keeper in self.sources:
                await self.commit(keeper)
        return {tp: at for k in self.sources for tp, at in k.position.items() if tp in self._assigned}

    async def close(self) -> None:
        """Commit what is pending; for the end of the process."""
        for keeper in self.sources:
            await self.commit(keeper)
        await self._stop_opening()

    @property
    def progress(self) -> int:
        """A number that changes while events arrive or are committed."""
        return self.committed + sum(sum(k.taken.values()) for k in self.sources)

    @property
    def idle(self) -> bool:
        """Every assigned partition is open; what is pending waits for its interval, or for the end."""
        opened = {tp for k in self.sources for tp in k.position}
        return bool(self._assigned) and self._assigned <= opened and not self._committing.locked()

    async def caught_up(self, end: Callable[[str, int], int]) -> bool:
        """Idle, with every event taken that is on the topics now."""
        for tp in sorted(self._assigned):
            if self._keepers[tp.topic].taken.get(tp, 0) < await asyncio.to_thread(end, *tp):
                return False
        return self.idle
