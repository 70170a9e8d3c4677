"""The consumer under Faust: raw batches in, positions and commits from the engine.

What is overridden and why (faust-streaming 0.15.3; tests/app/test_transport.py guards each):

- `_fetch_records`: takes raw batches out of aiokafka's fetcher; stock builds a record object per record.
- `getmany`, `_drain_messages`: one message per fetched partition; no gap books, which stall on batches.
- `_wait_next_records`: until a partition's state is ready there is nothing to fetch; stock looks again each second.
- `perform_seek`: fetching starts where the state ends, not where Kafka's commit says.
- `_seek`: in the consumer's thread. Stock does it in the caller's, where a fetch that is just taken out may put its own
  position in place of it: what is read from there on does not follow on the state, and none of it is used.
- `force_commit`: commits the engine's durable positions; acks play no part. Never between revocation and assignment:
  Kafka answers such a commit after the JoinGroup before it, with IllegalGeneration, upon which aiokafka forgets the
  generation it has just joined and joins again, over and over.
- `on_partitions_revoked`: commits before the books are dropped (stock drops them first: replays).
- `RawFetcher`: stopped while the group rebalances, stock crashes the whole worker (its `supervisor.wakeup()` has no
  supervisor), whose consumer then ends before its partitions are closed: SIGTERM hung.
- `on_buffer_full`, `on_buffer_drop`: with every partition "buffered" Faust sleeps a whole second.
- `wait_empty`: nothing is ever unacked; what is pending is the engine's to flush.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, Protocol

import aiokafka
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.consumer import Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from app.transport.assignor import InTurn
from headrace.wire import RecordBatches
from tables.kafka.raw import drain, install, wait_for_data


class Flow(Protocol):
    """What the transport asks of the engine that consumes (features or history).

    While events come, the broker answers a fetch when it has `fetch_min_bytes` or `fetch_wait_ms` are over, so that
    few events a second do not mean a fetch, and an event of Faust's, for each. The first after a silence comes at once.
    """

    raw_topics: frozenset[str]
    fetch_wait_ms: int
    fetch_min_bytes: int

    async def assigned(self, partitions: Iterable[TopicPartition], consumer: RawConsumer) -> Mapping[TP, int]:
        """Take these partitions; returns where to fetch those from that are ready now (`release` the others)."""

    async def durable(self) -> Mapping[TopicPartition, int]:
        """Positions that may be committed; while rebalancing or stopping, flush what is pending first."""

    async def revoked(self) -> None:
        """A rebalance has begun; what was pending is durable by now."""


IDLE_WAIT_MS = 100
SILENT_WAIT_MS = 500
"""Where nothing came for a while: each answer without records costs both sides a millisecond."""
SILENCE = 5  # calls in a row, of a second each, that found nothing


def _expect(fetcher: Any, wait_ms: int, min_bytes: int) -> None:
    """What the next fetch requests ask for; aiokafka reads both for each."""
    fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = wait_ms, min_bytes


class RawThread(driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer in its own thread and event loop, as Faust does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_turn = InTurn()
        self._empty = 0

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        flow: Flow = self.app.flow
        consumer._fetch_max_wait_ms = (
            flow.fetch_wait_ms
        )  # Faust hard-codes 1500 and sets no minimum; see `_expect`
        consumer._isolation_level = "read_committed"
        if consumer._partition_assignment_strategy == [RoundRobinPartitionAssignor]:
            consumer._partition_assignment_strategy = [self._in_turn]
        return consumer

    async def in_thread(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work` in this thread, beside a fetch that waits: `call_thread` may come after it.

        Nothing is done once the thread has ended, which it may before a partition is open that was being opened.
        """
        if self.thread_loop.is_closed():
            work.close()
            return
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))

    async def seek_there(self, tp: TP, offset: int) -> None:
        """Fetch `tp` from `offset` next, if it is assigned; in this thread, as all that aiokafka does."""
        consumer = self._ensure_consumer()
        if tp in consumer.assignment():
            consumer.seek(tp, offset)

    async def join_again(self) -> None:
        """Have the partitions shared out anew, by what the broker knows of the topics now; in this thread."""
        consumer = self._ensure_consumer()
        self._in_turn.asked += 1
        await consumer._client.force_metadata_update()
        consumer._coordinator.request_rejoin()

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP] | None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_records: int | None = None,
    ) -> Mapping[Any, Any]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise driver.ConsumerStoppedError()
        raw_topics = self.app.flow.raw_topics

        def wanted(tp: TopicPartition) -> bool:
            return tp.topic in raw_topics and (not active_partitions or tp in active_partitions)

        stock = {tp for tp in (active_partitions or ()) if tp.topic not in raw_topics}
        with fetcher._subscriptions.fetch_context():
            while True:
                taken = drain(fetcher, wanted)
                if taken:
                    self._empty = 0
                    _expect(fetcher, self.app.flow.fetch_wait_ms, self.app.flow.fetch_min_bytes)
                    return taken
                if stock:
                    got = await fetcher.fetched_records(stock, timeout=0, max_records=max_records)
                    if got:
                        return dict(got)
                if not timeout or not await wait_for_data(fetcher, timeout) or fetcher._closed:
                    self._empty += 1
                    _expect(fetcher, IDLE_WAIT_MS if self._empty < SILENCE else SILENT_WAIT_MS, 1)
                    return {}
                timeout = max(0.0, timeout - 0.001)


class RawConsumer(driver.Consumer):
    """Faust's consumer with the engine's books in place of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._joining = False
        self._committing = asyncio.Lock()
        self._released = asyncio.Event()

    def _new_consumer_thread(self) -> RawThread:
        return RawThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop or not self.flow_active:
            return
        for at, got in records.items():
            tp = TP(at.topic, at.partition)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return  # the next assignment seeks to the engine's positions: nothing is lost
            if active is not None and tp not in active:
                continue
            if isinstance(got, RecordBatches):
                yield tp, _message(tp, got, generation)
            else:
                for record in got:
                    yield tp, self._to_message(tp, record)

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if not self._get_active_partitions():
            self._released.clear()
            await self.wait_first(self._released.wait(), timeout=timeout)
            return {}, set()
        return await super()._wait_next_records(timeout)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                messages = self.getmany(timeout=1.0)
                await asyncio.sleep(0)
                async for tp, message in messages:
                    await self.wait_first(self.callback(message), self.suspend_flow.wait())
                    if self.suspend_flow.is_set():
                        break
                    self._read_offset[tp] = message.offset + 1
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise

    def on_buffer_full(self, tp: TP) -> None:
        """A full queue blocks the drain loop, which is all the back-pressure a batch stream needs."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    async def wait_empty(self) -> None:
        await self.commit_and_end_transactions()

    # -- positions

    async def perform_seek(self) -> None:
        flow: Flow = self.app.flow
        assignment = {TP(*tp) for tp in self.assignment() if tp.topic in flow.raw_topics}
        given = await flow.assigned([TopicPartition(*tp) for tp in assignment], self)
        ready = {TP(*tp): offset for tp, offset in given.items()}
        self.pause_partitions(assignment - set(ready))
        for tp, offset in ready.items():
            await self.seek(tp, offset)

    async def release(self, tp: TopicPartition, offset: int) -> None:
        """A partition whose state was not ready at assignment is now: fetch it from `offset`."""
        tp = TP(*tp)
        if tp in self.assignment():
            await self.seek(tp, offset)
            self.resume_partitions({tp})
            self._released.set()

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.in_thread(self._thread.seek_there(partition, offset))

    async def join_again(self) -> None:
        """Join the group again, so that its partitions are shared out anew."""
        await self._thread.in_thread(self._thread.join_again())

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        durable = await self.app.flow.durable()
        async with self._committing:
            return not self._joining and await self._commit_positions(durable)

    async def _commit_positions(self, durable: Mapping[TopicPartition, int]) -> bool:
        try:
            assigned = self.assignment()
        except driver.ConsumerNotStarted:
            return False  # the timer was faster than the consumer's thread
        offsets = {
            TP(*tp): offset
            for tp, offset in durable.items()
            if TP(*tp) in assigned and self._committed_offset.get(TP(*tp)) != offset
        }
        if not offsets:
            return False
        try:
            committed = await self._commit(offsets)
        except RuntimeError:
            if self.app.should_stop:  # a crash ends the consumer's thread first; the commit is but a hint
                return False
            raise
        if not committed:
            return False
        self._committed_offset.update(offsets)
        self.app.monitor.on_tp_commit(offsets)
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self._on_partitions_revoked(revoked)  # flushes and commits
        async with self._committing:
            self._joining = True
        if self._active_partitions is not None:
            self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        for tp in revoked:
            for book in (
                self._gap,
                self._acked,
                self._acked_index,
                self._read_offset,
                self._committed_offset,
            ):
                book.pop(tp, None)
        await self.app.flow.revoked()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._joining = False
        await super().on_partitions_assigned(assigned, generation_id)


class RawFetcher(Fetcher):
    """The task that drains the consumer. Being stopped is how it ends, in a rebalance as at any other time."""

    @Service.task
    async def _fetcher(self) -> None:
        try:
            await self.app.consumer._drain_messages(self)
        except asyncio.CancelledError:
            if not self.should_stop:
                raise
        finally:
            self.set_shutdown()


def _message(tp: TP, batches: RecordBatches, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        batches.next_offset - 1,
        batches.max_timestamp / 1000.0,
        0,
        None,
        None,
        batches,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


class RawTransport(driver.Transport):
    """Kafka through aiokafka, with raw fetches."""

    Consumer = RawConsumer
    Fetcher = RawFetcher

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        install()
        super().__init__(*args, **kwargs)
