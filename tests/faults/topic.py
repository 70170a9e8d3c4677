"""What is really on a topic: its records, read back by librdkafka."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.faults.traffic import BAD
from tests.faults.workload import SCHEMA
from tests.integration.history import Place


@dataclass(frozen=True)
class Record:
    """One record as it lies in the log. `headers` by name, the last of equal ones."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def place(self) -> Place:
        """(topic, partition, offset)."""
        return self.topic, self.partition, self.offset


@dataclass(frozen=True)
class Order:
    """A record that counts: where it lies, its columns, and its record's timestamp in ms."""

    place: Place
    event: Mapping[str, Any]
    timestamp: int = 0


def records(bootstrap: str, topic: str, deadline: float = 120.0) -> list[Record]:
    """Every committed record of a topic, by partition and offset; none of a topic that is not there."""
    client = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "faults-reading",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": False,
            "fetch.max.bytes": 64 << 20,
            "log_level": 0,
        }
    )
    try:
        return _read(client, topic, time.monotonic() + deadline)
    finally:
        client.close()


def _read(client: Consumer, topic: str, end: float) -> list[Record]:
    found = client.list_topics(topic, timeout=30).topics[topic]
    if found.error is not None:
        return []
    ends: dict[int, int] = {}
    starts = []
    for partition in found.partitions:
        low, high = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        if low < high:
            ends[partition] = high
            starts.append(TopicPartition(topic, partition, low))
    client.assign(starts)
    out = []
    while ends:
        for message in client.consume(10_000, timeout=0.2):
            if message.error() is not None:
                raise KafkaException(message.error())
            headers = {name: value or b"" for name, value in message.headers() or []}
            out.append(
                Record(
                    message.topic() or "",
                    message.partition() or 0,
                    message.offset() or 0,
                    message.timestamp()[1],
                    message.value(),
                    headers,
                )
            )
        # The end of a log of transactions is a control record, which is never handed out: ask where we stand.
        for at in client.position([TopicPartition(topic, p) for p in ends]):
            if at.offset >= ends[at.partition]:
                del ends[at.partition]
        if time.monotonic() > end:
            raise TimeoutError(f"{topic}: not read to its end: {ends}")
    return sorted(out, key=lambda r: (r.partition, r.offset))


def split(found: list[Record], prefix: int = 0) -> tuple[list[Order], dict[Place, str]]:
    """Orders that count, and the place of each bad record with the reason that its dead letter must have.

    `prefix`: bytes before each datum.
    """
    orders, bad = [], {}
    for record in found:
        if BAD in record.headers:
            bad[record.place] = record.headers[BAD].decode()
        else:
            event = fastavro.schemaless_reader(io.BytesIO((record.value or b"")[prefix:]), SCHEMA, None)
            orders.append(Order(record.place, event, record.timestamp))
    return orders, bad
