"""One task's writes to Kafka, all or nothing: a fenced transaction a flush, or plain batches without them.

Owns the order "everything of this flush is acknowledged, then it is visible". Refuses to retry a flush:
after any error but a fence the caller opens the task again and learns from the log what was committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from headrace.errors import FencedError, UnavailableError
from headrace.wire.batches import HEADER
from headrace.wire.batching import BuiltRecords
from tables.kafka.outputs import Batches


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets that a write took in one partition: from `start` up to `end` (exclusive)."""

    start: int
    end: int


class TaskProducer(Protocol):
    """Writes the flushes of one task (one consumed partition)."""

    async def open(self) -> None:
        """Connect and, where there are transactions, fence every predecessor and wait for its last request."""

    async def write(self, batches: Batches) -> dict[TopicPartition, Span]:
        """Write all of `batches` or nothing; returns when it is acknowledged.

        Raises FencedError if another owner has opened the task since; UnavailableError if Kafka does not
        answer or the producer is closed, after which it is unknown whether the flush is there.
        """

    async def close(self) -> None:
        """Let go of the task; a write under way ends with UnavailableError."""


_FENCED = (
    kafka_errors.ProducerFenced,
    kafka_errors.InvalidProducerEpoch,
    kafka_errors.InvalidProducerIdMapping,
    kafka_errors.TransactionalIdAuthorizationFailed,
)


class _Producer:
    _transactional = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = {
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "max_batch_size": 16 << 20,
            "max_request_size": 64 << 20,
            **options,
        }
        self._producer: AIOKafkaProducer | None = None
        self._write: asyncio.Task[dict[TopicPartition, Span]] | None = None

    async def _start(self, **more: Any) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._options, **more)
        try:
            await producer.start()
        except BaseException:
            await _stop(producer)
            raise
        self._producer = producer
        return producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if self._write is not None:
            self._write.cancel()  # a stopped AIOKafkaProducer never says how its transaction ended
        if producer is not None:
            await _stop(producer)

    async def _while_open(
        self, work: Coroutine[Any, Any, dict[TopicPartition, Span]]
    ) -> dict[TopicPartition, Span]:
        """What `work` gives. Raises UnavailableError if the producer is closed meanwhile."""
        producer = self._producer
        self._write = asyncio.create_task(work)
        try:
            return await self._write
        except asyncio.CancelledError:
            if self._producer is producer:
                raise
            raise UnavailableError("the producer was closed while a flush was written") from None
        finally:
            self._write = None

    async def _send(self, producer: AIOKafkaProducer, batches: Batches) -> dict[TopicPartition, Span]:
        waiting: list[tuple[TopicPartition, int, asyncio.Future[Any]]] = []
        now = time.time_ns() // 1_000_000
        for tp, built in batches.items():
            for records in built:
                batch = BuiltBatch(records, now, self._transactional)
                sent = await producer.send_batch(batch, tp.topic, partition=tp.partition)
                waiting.append((tp, records.count, sent))
        if waiting:
            await asyncio.wait([sent for _, _, sent in waiting])  # all: one that nobody asks complains
        spans: dict[TopicPartition, Span] = {}
        if failed := [error for _, _, sent in waiting if (error := sent.exception())]:
            raise failed[0]
        for tp, count, sent in waiting:
            meta = sent.result()
            start = spans[tp].start if tp in spans else meta.offset
            spans[tp] = Span(start, meta.offset + count)
        return spans


class TransactionalProducer(_Producer):
    """A flush is a Kafka transaction under one transactional id per task."""

    _transactional = True

    def __init__(
        self, options: Mapping[str, Any], transactional_id: str, *, timeout_ms: int = 60_000
    ) -> None:
        super().__init__(options)
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms

    async def open(self) -> None:
        await self.close()
        try:
            await self._start(
                transactional_id=self._transactional_id, transaction_timeout_ms=self._timeout_ms
            )
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(
                f"Kafka did not open the transaction {self._transactional_id}: {exc!r}"
            ) from exc

    async def write(self, batches: Batches) -> dict[TopicPartition, Span]:
        async def one() -> AsyncIterator[Batches]:
            yield batches

        return await self.write_parts(one())

    async def write_parts(self, parts: AsyncIterable[Batches]) -> dict[TopicPartition, Span]:
        """As `write`, of more than is in memory at once: all parts are one transaction, in their order."""
        producer = self._producer
        if producer is None:
            raise FencedError(f"{self._transactional_id} is closed")
        try:
            return await self._while_open(self._transaction(producer, parts))
        except _FENCED as exc:
            raise FencedError(
                f"another worker owns {self._transactional_id} now ({type(exc).__name__})"
            ) from exc
        except (kafka_errors.KafkaError, OSError, AssertionError) as exc:
            raise UnavailableError(
                f"Kafka did not take a flush of {self._transactional_id}: {exc!r}"
            ) from exc

    async def _transaction(
        self, producer: AIOKafkaProducer, parts: AsyncIterable[Batches]
    ) -> dict[TopicPartition, Span]:
        await producer.begin_transaction()
        spans: dict[TopicPartition, Span] = {}
        async for batches in parts:
            for tp, span in (await self._send(producer, batches)).items():
                spans[tp] = Span(spans[tp].start if tp in spans else span.start, span.end)
        await producer.commit_transaction()
        return spans


class PlainProducer(_Producer):
    """For the embedded broker, which has no transactions: idempotent batches, acknowledged before going on."""

    async def open(self) -> None:
        await self.close()
        try:
            await self._start()
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(f"Kafka does not answer: {exc!r}") from exc

    async def write(self, batches: Batches) -> dict[TopicPartition, Span]:
        producer = self._producer
        if producer is None:
            raise FencedError("the producer is closed")
        try:
            return await self._while_open(self._send(producer, batches))
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(f"Kafka did not take a flush: {exc!r}") from exc


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop without waiting for a transaction that can no longer end."""
    try:
        await asyncio.wait_for(producer.stop(), 5)
    except (kafka_errors.KafkaError, TimeoutError, OSError, asyncio.CancelledError):
        await producer.client.close()


class BuiltBatch(BatchBuilder):  # type: ignore[misc]
    """A batch that aiokafka only has to number and send: it takes no records any more."""

    def __init__(self, records: BuiltRecords, timestamp: int, transactional: bool) -> None:
        self._records: BuiltRecords | None = records
        self._count, self._size = records.count, HEADER.size + len(records.data)
        self._timestamp = timestamp
        self._transactional = transactional
        self._producer = (-1, -1, -1)
        self._built = b""

    def append(self, **_: Any) -> None:
        return None

    def close(self) -> None:
        pass

    def closed(self) -> bool:
        return True

    def record_count(self) -> int:
        return self._count

    def size(self) -> int:
        return self._size

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytes:
        if self._records is not None:
            self._built = self._records.batch(
                self._timestamp, self._producer, transactional=self._transactional
            )
            self._records = None
        return self._built
