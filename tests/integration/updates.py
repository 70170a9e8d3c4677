"""A reader of published updates, as another team would write one: committed records, and the registry's schema."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import fastavro
import httpx
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.integration.deployment import Deployment


@dataclass(frozen=True)
class Published:
    """One committed record of a view's topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def published(deployment: Deployment, view: str) -> list[Published]:
    """Every committed record of a view's topic, partition by partition."""
    topic = f"headrace.{deployment.project}.view.{view}"
    options = {"enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(
        {"bootstrap.servers": deployment.components.kafka, "group.id": "reader", **options}  # type: ignore[dict-item]
    )
    try:
        out = []
        for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
            consumer.assign([TopicPartition(topic, partition, 0)])
            while True:
                message = consumer.poll(30)
                assert message is not None, f"{topic}[{partition}] does not end"
                error = message.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    break
                out.append(Published(partition, message.offset() or 0, message.key(), message.value()))
        return out
    finally:
        consumer.close()


_schemas: dict[tuple[str, int], Any] = {}


def decode(deployment: Deployment, value: bytes) -> Any:
    """By the schema that the registry has under the id in front."""
    assert value[0] == 0
    id = int.from_bytes(value[1:5], "big")
    registry = deployment.components.registry_url or ""
    if (registry, id) not in _schemas:
        told = httpx.get(f"{registry}/schemas/ids/{id}", timeout=30).json()["schema"]
        _schemas[registry, id] = fastavro.parse_schema(json.loads(told))
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), _schemas[registry, id])  # type: ignore[call-arg]
