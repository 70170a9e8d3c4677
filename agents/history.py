"""The history flow: source topics into one Delta table per source, each event exactly once.

A process and consumer group of its own. Positions are the table's: fetching begins where it ends, and Kafka's
commit is only a hint. What cannot be decoded or has no event time is the worker's to bury; here it is passed
over. While the store is away, fetching pauses and memory stays bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
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

    @property
    def events(self) -> int:
        return sum(b.count for b in self.pending)

    @property
    def nbytes(self) -> int:
        return sum(b.nbytes for b in self.pending)

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

    `start(topic, partition)`: where a table that never saw a partition begins. `now()`: wall clock in us.
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
        self._assigned: set[TopicPartition] = set()
        self._opening: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()
        self.committed = 0

    @property
    def sources(self) -> list[Keeper]:
        return list(dict.fromkeys(self._keepers.values()))

    # -- assignment

    async def assigned(self, partitions: Iterable[TopicPartition], consumer: Consumer) -> Mapping[Any, int]:
        """Where to fetch from is in the tables: looked up in the background, since the store may be away."""
        self._assigned = set(partitions)
        self._opening = asyncio.create_task(self._open(frozenset(self._assigned), consumer))
        return {}

    async def _open(self, partitions: frozenset[TopicPartition], consumer: Consumer) -> None:
        try:
            for keeper in self.sources:
                mine = sorted(tp for tp in partitions if self._keepers[tp.topic] is keeper)
                if not mine:
                    continue
                found = await self._waiting(partial(self._positions, keeper, mine))
                for tp in mine:
                    at = found[tp]
                    keeper.position[tp] = keeper.taken[tp] = at
                    log.info("%s[%d]: history continues at offset %d", *tp, at)
                    await consumer.release(tp, at)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            await self._crash(exc)

    def _positions(self, keeper: Keeper, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
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
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        for keeper in self.sources:
            keeper.pending.clear()
            keeper.position.clear()
            keeper.taken.clear()

    # -- events

    async def add(self, batches: RecordBatches) -> None:
        """Take a fetched batch. Waits while too much is pending. Raises PositionError for missing offsets."""
        tp = TopicPartition(batches.topic, batches.partition)
        keeper = self._keepers[tp.topic]
        taken = keeper.taken.get(tp)
        if taken is None or batches.next_offset <= taken:
            return
        if batches.start > taken:
            raise PositionError(
                f"{tp.topic}[{tp.partition}]: fetched from offset {batches.start}, history ends at {taken}: "
                f"{batches.start - taken} offsets are gone. Accept the gap by a new source name, or restore the topic"
            )
        keeper.pending.append(batches)
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

        A fenced writer forgets what it took: somebody else wrote it.
        """
        await whole(self._commit(keeper))

    async def _commit(self, keeper: Keeper) -> None:
        async with self._committing:
            batches, keeper.pending = keeper.pending, []
            if not batches:
                return
            places = {TopicPartition(b.topic, b.partition) for b in batches}
            ends = {tp: max(b.next_offset for b in batches if (b.topic, b.partition) == tp) for tp in places}
            spans = {tuple(tp): (keeper.position[tp], ends[tp]) for tp in places}
            try:
                rows = await self._waiting(lambda: keeper.rows(batches, self._now()))
                self._failpoint("before_commit")
                await self._waiting(lambda: keeper.table.append(rows, spans))
                self._failpoint("after_commit")
            except FencedError as exc:
                log.warning("%s: %s", keeper.name, exc)
                for tp in places:
                    keeper.taken.pop(tp, None)
                    keeper.position.pop(tp, None)
                return
            except Exception as exc:
                await self._crash(exc)
                raise
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
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])

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
