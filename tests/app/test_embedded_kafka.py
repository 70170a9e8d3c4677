"""The embedded broker serves both Kafka clients, and what it does not do is pinned down here."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AIOTopicPartition
from confluent_kafka import Consumer, Producer, TopicPartition
from faust.types import TP

from app.embedded.kafka import EmbeddedKafka
from app.transport.consumer import IDLE_WAIT_MS, SILENCE, SILENT_WAIT_MS, RawThread
from headrace.errors import UnavailableError, UsageError
from tables.kafka.raw import install
from tests.stack.ports import free_port
from tests.stack.process import started_at

pytestmark = pytest.mark.integration

DEADLINE = 30.0


@pytest.fixture(scope="module")
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka({"wide": 8, "one": 1}) as running:
        yield running


def _produce(bootstrap: str, topic: str, values: list[bytes], **settings: object) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(DEADLINE) == 0


def _read(bootstrap: str, topic: str, count: int, **settings: object) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "read", "auto.offset.reset": "earliest", **settings}
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        got: list[bytes] = []
        end = time.monotonic() + DEADLINE
        while len(got) < count and time.monotonic() < end:
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                got.append(message.value())
        return got
    finally:
        consumer.close()


def test_topics_have_the_partitions_asked_for(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("later", 3)
    topics = Producer({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=DEADLINE).topics
    assert {name: len(topics[name].partitions) for name in ("wide", "one", "later")} == {
        "wide": 8,
        "one": 1,
        "later": 3,
    }


def test_making_a_topic_again_changes_nothing(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("wide", 2)
    topics = Producer({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=DEADLINE).topics
    assert len(topics["wide"].partitions) == 8


def test_an_impossible_topic_is_refused_with_its_name(kafka: EmbeddedKafka) -> None:
    with pytest.raises(UsageError, match="'none' needs at least one partition, got 0"):
        kafka.create_topic("none", 0)


def test_confluent_clients_produce_and_read(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("confluent", 1)
    values = [f"v{i}".encode() for i in range(100)]
    _produce(kafka.bootstrap, "confluent", values)
    assert _read(kafka.bootstrap, "confluent", 100) == values


async def test_aiokafka_clients_produce_read_in_a_group_and_find_their_offsets_again(
    kafka: EmbeddedKafka,
) -> None:
    kafka.create_topic("aio", 4)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for i in range(40):
            await producer.send_and_wait("aio", str(i).encode(), partition=i % 4)

    async def consume(count: int) -> list[int]:
        consumer = AIOKafkaConsumer(
            "aio",
            bootstrap_servers=kafka.bootstrap,
            group_id="aio",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=2_000,
            heartbeat_interval_ms=500,
            rebalance_timeout_ms=2_000,
        )
        await consumer.start()
        try:
            got: list[int] = []
            while len(got) < count:
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    got += [int(record.value) for record in batch]
            await consumer.commit()
            return sorted(got)
        finally:
            await consumer.stop()

    assert await asyncio.wait_for(consume(40), DEADLINE) == list(range(40))
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        await producer.send_and_wait("aio", b"40", partition=0)
    assert await asyncio.wait_for(consume(1), DEADLINE) == [40]


def test_a_partition_keeps_its_newest_five_mebibytes(kafka: EmbeddedKafka) -> None:
    _produce(kafka.bootstrap, "one", [b"x" * 100_000] * 100)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "marks"})
    low, high = consumer.get_watermark_offsets(TopicPartition("one", 0), timeout=DEADLINE)
    consumer.close()
    assert high == 100
    # Whole batches of at most 1 MB go, before a new one comes in.
    assert 42 <= high - low <= 63


def test_a_record_larger_than_a_mebibyte_passes(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("large", 1)
    _produce(kafka.bootstrap, "large", [b"x" * 3_000_000], **{"message.max.bytes": 4_000_000})
    (value,) = _read(kafka.bootstrap, "large", 1)
    assert len(value) == 3_000_000


def test_aborted_records_are_returned_so_transactions_are_not_to_be_trusted(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("aborted", 1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "t"})
    producer.init_transactions(DEADLINE)
    producer.begin_transaction()
    producer.produce("aborted", b"never committed")
    producer.flush(DEADLINE)
    producer.abort_transaction(DEADLINE)
    seen = _read(kafka.bootstrap, "aborted", 1, **{"isolation.level": "read_committed"})
    assert seen == [b"never committed"]


def test_the_bootstrap_port_can_be_fixed() -> None:
    port = free_port()
    with EmbeddedKafka({"fixed": 1}, port=port) as running:
        assert running.bootstrap == f"127.0.0.1:{port}"
        _produce(running.bootstrap, "fixed", [b"value"])
        assert _read(running.bootstrap, "fixed", 1) == [b"value"]


def test_a_taken_port_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with EmbeddedKafka(port=port), pytest.raises(UnavailableError, match="error output says why"):
        EmbeddedKafka(port=port).start()
    assert f"port {port} of 127.0.0.1 cannot be opened" in capfd.readouterr().err


def test_a_topic_before_the_start_is_refused() -> None:
    with pytest.raises(UsageError, match="before start"):
        EmbeddedKafka().create_topic("early")


def test_it_ends_with_its_starter_even_after_kill_9() -> None:
    script = (
        "import sys; from app.embedded.kafka import EmbeddedKafka; k = EmbeddedKafka(); k.start();"
        "print(k.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert started_at(pid) is not None
        starter.send_signal(signal.SIGKILL)
    _wait_until_gone(pid)


def test_it_runs_by_itself_until_sigterm() -> None:
    command = [sys.executable, "-m", "app.embedded.kafka", "--topics", "a:2,b:3"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        bootstrap = process.stdout.readline().strip()
        topics = Producer({"bootstrap.servers": bootstrap}).list_topics(timeout=DEADLINE).topics
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert {name: len(topics[name].partitions) for name in ("a", "b")} == {"a": 2, "b": 3}


def test_the_bindings_use_the_library_that_the_client_carries() -> None:
    mapped = Path(f"/proc/{os.getpid()}/maps")
    if not mapped.exists():
        pytest.skip("/proc is needed to see which libraries are loaded")
    from app.embedded.mock import MockCluster

    with MockCluster() as cluster:
        assert cluster.bootstrap.startswith("127.0.0.1:")
    loaded = {line.split()[-1] for line in mapped.read_text().splitlines() if "librdkafka" in line}
    assert len(loaded) == 1


def _wait_until_gone(pid: int) -> None:
    end = time.monotonic() + DEADLINE
    while started_at(pid) is not None:
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.02)


async def test_a_worker_fetches_at_a_pace_while_events_come_and_waits_for_the_first_one(
    kafka: EmbeddedKafka,
) -> None:
    install()
    kafka.create_topic("paced", 1)
    tp = TP("paced", 0)
    flow: Any = SimpleNamespace(raw_topics={"paced"}, fetch_wait_ms=20, fetch_min_bytes=65_536)
    worker: Any = SimpleNamespace(
        app=SimpleNamespace(flow=flow), consumer=SimpleNamespace(flow_active=True), _empty=0
    )
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([AIOTopicPartition("paced", 0)])
        asked = consumer._fetcher

        async def fetched(timeout: float) -> list[int]:  # noqa: ASYNC109
            found = await RawThread._fetch_records(worker, consumer, {tp}, timeout=timeout)
            return [batches.count for batches in found.values()]

        assert await fetched(0.01) == []
        assert (asked._fetch_max_wait_ms, asked._fetch_min_bytes) == (IDLE_WAIT_MS, 1)
        await asyncio.to_thread(_produce, kafka.bootstrap, "paced", [b"1"])
        assert await fetched(DEADLINE) == [1]
        assert (asked._fetch_max_wait_ms, asked._fetch_min_bytes) == (20, 65_536)
        for _ in range(SILENCE - 1):
            assert await fetched(0.01) == []
            assert (asked._fetch_max_wait_ms, asked._fetch_min_bytes) == (IDLE_WAIT_MS, 1)
        assert await fetched(0.01) == []
        assert (asked._fetch_max_wait_ms, asked._fetch_min_bytes) == (SILENT_WAIT_MS, 1)
