"""A task's producer on a real broker: the last to open it owns it, and half a flush is never seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ProducerFenced

from headrace.errors import FencedError, UnavailableError
from tables.kafka.outputs import built, record
from tables.kafka.producer import Span, TransactionalProducer
from tables.kafka.raw import install, read_to_end
from tables.kafka.records import key_values
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration


async def values(real: RealComponents, topic: str) -> list[bytes | None]:
    """Every committed value of a topic's only partition, read raw."""
    install()
    tp = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=real.kafka, group_id=None, isolation_level="read_committed", fetch_max_wait_ms=100
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        found: list[bytes | None] = []
        async for batches in read_to_end(consumer, tp, 0, end):
            found += key_values([batches])["value"].to_list()
        return found
    finally:
        await consumer.stop()


@pytest.fixture
async def producers(
    real: RealComponents,
) -> AsyncIterator[tuple[TransactionalProducer, TransactionalProducer]]:
    """Two producers of one task; none is open."""
    task = real.unique("task")
    options = {"bootstrap_servers": real.kafka}
    made = TransactionalProducer(options, task), TransactionalProducer(options, task)
    yield made
    for producer in made:
        await producer.close()


Two = tuple[TransactionalProducer, TransactionalProducer]


async def test_a_flush_tells_where_it_lies(real: RealComponents, producers: Two) -> None:
    topic = real.unique("log")
    real.create_topic(topic, 1)
    tp = TopicPartition(topic, 0)
    await producers[0].open()
    first = await producers[0].write(*built([{tp: [record(b"k", b"1"), record(b"k", b"2")]}]))
    second = await producers[0].write(*built([{tp: [record(b"k", None)]}]))
    assert first == {tp: Span(0, 2)}
    assert second == {tp: Span(3, 4)}  # a commit marker lies between
    assert await values(real, topic) == [b"1", b"2", None]


async def test_the_last_to_open_a_task_fences_the_one_before(real: RealComponents, producers: Two) -> None:
    topic = real.unique("log")
    real.create_topic(topic, 1)
    tp = TopicPartition(topic, 0)
    old, new = producers
    await old.open()
    await old.write(*built([{tp: [record(b"k", b"old")]}]))
    await new.open()
    with pytest.raises(FencedError):
        await old.write(*built([{tp: [record(b"k", b"zombie")]}]))
    await new.write(*built([{tp: [record(b"k", b"new")]}]))
    assert await values(real, topic) == [b"old", b"new"]


async def test_what_a_predecessor_had_sent_and_not_committed_is_never_seen(
    real: RealComponents, producers: Two
) -> None:
    topic = real.unique("log")
    real.create_topic(topic, 1)
    tp = TopicPartition(topic, 0)
    old, new = producers
    await old.open()
    stock = old._producer
    assert stock is not None
    await stock.begin_transaction()
    await old._send(stock, *built([{tp: [record(b"k", b"half")]}]))  # acknowledged, and then the worker hangs
    await new.open()
    await new.write(*built([{tp: [record(b"k", b"new")]}]))
    with pytest.raises(ProducerFenced):
        await stock.commit_transaction()
    assert await values(real, topic) == [b"new"]


async def test_a_write_ends_when_its_producer_is_closed(real: RealComponents, producers: Two) -> None:
    topic = real.unique("log")
    real.create_topic(topic, 1)
    tp = TopicPartition(topic, 0)
    old, new = producers
    await old.open()
    writing = asyncio.create_task(old.write(*built([{tp: [record(b"k", b"half")]}])))
    await asyncio.sleep(0)  # it has begun
    await old.close()
    with pytest.raises(UnavailableError, match="closed while a flush was written"):
        await asyncio.wait_for(writing, 60)
    await new.open()
    await new.write(*built([{tp: [record(b"k", b"whole")]}]))
    assert (await values(real, topic))[-1] == b"whole"
