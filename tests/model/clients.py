"""Doubles of the Kafka clients that a process has: aiokafka's producer and consumer, and our `Topics`.

They stand where `tables.kafka` imports them, so that our producer and our changelog reader are the real ones. Their
records are real bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import aiokafka.errors as errors
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder

from headrace.errors import UnavailableError
from tables.kafka.raw import RawRecords
from tables.kafka.topics import TopicInfo, Topics
from tests.model.kafka import Broker
from tests.model.process import Process

T = TypeVar("T")


class Producer:
    """In place of `AIOKafkaProducer`, transactional. Batches of one partition go one after the other."""

    def __init__(self, *, process: Process, broker: Broker, transactional_id: str, **options: Any) -> None:
        self._process = process
        self._broker = broker
        self._name = transactional_id
        self._id = self._epoch = -1
        self._queues: dict[TopicPartition, asyncio.Task[None]] = {}
        self._fatal: BaseException | None = None
        self.client = SimpleNamespace(close=self._nothing)

    async def _nothing(self) -> None:
        pass

    async def start(self) -> None:
        self._id, self._epoch = await self._process.call("kafka.init", lambda: self._broker.init(self._name))

    async def stop(self) -> None:
        self._fatal = self._fatal or errors.ProducerClosed()
        for sending in self._queues.values():
            sending.cancel()

    async def begin_transaction(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        self._queues.clear()

    async def send_batch(self, builder: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[Any]:
        tp = TopicPartition(topic, partition)
        sent: asyncio.Future[Any] = self._process.loop.create_future()
        before = self._queues.get(tp)
        builder._set_producer_state(self._id, self._epoch, 0)
        data = bytes(builder._build())
        self._queues[tp] = asyncio.create_task(self._deliver(before, tp, data, sent))
        return sent

    async def _deliver(
        self, before: asyncio.Task[None] | None, tp: TopicPartition, data: bytes, sent: asyncio.Future[Any]
    ) -> None:
        if before is not None:
            await before
        try:
            if self._fatal is not None:
                raise self._fatal
            base = await self._process.call(
                "kafka.send", lambda: self._broker.add(self._name, self._epoch, tp, data)
            )
        except asyncio.CancelledError:
            sent.cancel()
            raise
        except BaseException as exc:
            self._fatal = exc
            sent.set_exception(exc)
            sent.exception()
        else:
            sent.set_result(SimpleNamespace(offset=base))

    async def commit_transaction(self) -> None:
        await asyncio.gather(*self._queues.values())
        if self._fatal is not None:
            raise self._fatal
        try:
            await self._process.call("kafka.commit", lambda: self._broker.end(self._name, self._epoch, True))
        except BaseException as exc:
            self._fatal = exc
            raise


class ChangelogConsumer:
    """In place of `AIOKafkaConsumer` where a changelog is restored: one partition, read_committed."""

    def __init__(self, *, process: Process, broker: Broker, batches: int = 2, **options: Any) -> None:
        assert options["isolation_level"] == "read_committed"
        self._process = process
        self._broker = broker
        self._batches = batches
        self._fetcher = _Fetcher(self._fetch)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def assign(self, tps: Sequence[TopicPartition]) -> None:
        (self._tp,) = tps

    async def beginning_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._process.call(
            "kafka.offsets", lambda: {tp: self._broker.log(tp).start for tp in tps}
        )

    async def end_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._process.call(
            "kafka.offsets", lambda: {tp: self._broker.log(tp).stable for tp in tps}
        )

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._fetcher.position = offset

    async def _fetch(self) -> None:
        position = self._fetcher.position
        data, aborted = await self._process.call(
            "kafka.fetch", lambda: self._broker.log(self._tp).read(position, self._batches)
        )
        if data:
            self._fetcher.add(self._tp, data, aborted)


class _Fetcher:
    """What `tables.kafka.raw` uses of aiokafka's fetcher and of its subscription."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self.position = 0
        self.active, self.paused = True, False
        self.reassignment_in_progress = False
        self._fetch = fetch
        self._records: dict[TopicPartition, FetchResult] = {}
        self._subscriptions = self
        self._wait_consume_future = None
        self._running: asyncio.Task[None] | None = None

    @contextmanager
    def fetch_context(self) -> Iterator[None]:
        yield

    def _notify(self, future: Any) -> None:
        pass

    def _create_fetch_waiter(self) -> asyncio.Future[Any]:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._fetch())
        return asyncio.ensure_future(asyncio.shield(self._running))

    def add(self, tp: TopicPartition, data: bytes, aborted: Sequence[tuple[int, int]]) -> None:
        records = PartitionRecords(tp, RawRecords(data), list(aborted), self.position, None, None, False, 1)
        self._records[tp] = FetchResult(tp, assignment=self, partition_records=records, backoff=0)

    def state_value(self, tp: TopicPartition) -> _Fetcher:
        return self

    def consumed_to(self, offset: int) -> None:
        self.position = offset


class MemoryTopics(Topics):
    """Our view of the cluster's topics, without an admin client."""

    embedded = False

    def __init__(self, process: Process, broker: Broker) -> None:
        self._process = process
        self._broker = broker

    def describe(self, names: Sequence[str]) -> dict[str, TopicInfo]:
        topics = self._broker.topics
        return {n: TopicInfo(n, len(topics[n]), f"id of {n}") for n in names if n in topics}

    def ensure(self, wanted: Mapping[str, tuple[int, Mapping[str, str]]]) -> dict[str, TopicInfo]:
        for name, (partitions, _) in wanted.items():
            if name not in self._broker.topics:
                self._broker.create(name, partitions)
        return self.describe(list(wanted))

    def offsets(self, topic: str, partition: int, *, end: bool) -> int:
        log = self._broker.log((topic, partition))
        return self._asked("kafka.admin", lambda: log.end if end else log.start)

    def delete_below(self, positions: Mapping[tuple[str, int], int]) -> None:
        def delete() -> None:
            for tp, offset in positions.items():
                log = self._broker.log(tp)
                log.start = max(log.start, min(offset, log.stable))

        self._asked("kafka.trim", delete)

    def _asked(self, step: str, effect: Callable[[], T]) -> T:
        """Errors of the cluster come out as they do of the real `Topics`."""
        try:
            return self._process.call_sync(step, effect)
        except errors.KafkaError as exc:
            raise UnavailableError(f"Kafka does not answer: {exc}") from exc
