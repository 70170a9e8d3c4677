"""Published updates: Avro, registered where there is a registry, each flush's exactly once, also over a crash."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.integration.deployment import Deployment
from tests.integration.producing import Sender
from tests.stack.components import Components

pytestmark = pytest.mark.integration

NOON = 1_767_268_800_000


def published(deployment: Deployment, view: str) -> list[tuple[bytes | None, bytes | None]]:
    """Every committed record of a view's topic, as (key, value)."""
    topic = f"headrace.{deployment.project}.view.{view}"
    consumer = Consumer(
        {"bootstrap.servers": deployment.components.kafka, "group.id": "reader", "enable.auto.commit": False}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        out = []
        for partition in partitions:
            place = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=30)
            consumer.assign([place])
            while consumer.position([place])[0].offset < end and end:
                message = consumer.poll(10)
                if message is None:
                    break
                assert message.error() is None
                out.append((message.key(), message.value()))
        return out
    finally:
        consumer.close()


def event(page: str, at: int, ms: int) -> bytes:
    return json.dumps({"user": "ann", "page": page, "at": NOON + at, "ms": ms}).encode()


def decode(deployment: Deployment, value: bytes) -> Any:
    """By the schema that the registry has under the id in front."""
    assert value[0] == 0
    url = f"{deployment.components.registry_url}/schemas/ids/{int.from_bytes(value[1:5], 'big')}"
    schema = fastavro.parse_schema(json.loads(httpx.get(url, timeout=30).json()["schema"]))
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), schema)  # type: ignore[call-arg]


def test_a_reader_of_updates_has_what_redis_has(real: Components, tmp_path: Path) -> None:
    def edit(text: str) -> str:
        return text.replace(
            "source=visits, features=FEATURES)", "source=visits, features=FEATURES, publish=True)"
        )

    with Deployment(tmp_path, real, "visits", {"visits": 2}, {"HEADRACE_ENGINE__CLOCK": "event"}, edit) as d:
        sender, topic = Sender(real.kafka), d.topics["visits"]
        for i, page in enumerate(["home", "shop", "home"]):
            sender.send(topic, b"ann", event(page, i * 1000, 10))
        sender.flush()
        crashed = d.start("worker", failpoint="after_changelog")
        crashed.ended()
        d.run("worker")
        sender.send(topic, b"ann", event("shop", 5000, 1))
        sender.flush()
        d.run("worker")

        for view, key in (("by_user", "user"), ("by_page", "page")):
            updates = [(k, decode(d, v)) for k, v in published(d, view) if v is not None]
            assert updates
            versions: dict[str, list[int]] = {}
            newest: dict[str, Any] = {}
            for name, told in updates:
                assert name == told[key].encode()
                versions.setdefault(told[key], []).append(told["_version"])
                newest[told[key]] = told
            assert all(v == sorted(set(v)) for v in versions.values())
            shown = {
                page: {f: str(told[f]) for f in ("visits_12s", "ms_12s", "visits_ever")}
                for page, told in newest.items()
            }
            assert shown == d.features(f"{view}@1")
