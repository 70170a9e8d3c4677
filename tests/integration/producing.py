"""A producer that knows what it sent, and where each event went."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Message, Producer


@dataclass
class Sent:
    """One event: its columns, and the place that Kafka gave it."""

    event: Mapping[str, Any]
    topic: str = ""
    partition: int = -1
    offset: int = -1

    @property
    def order(self) -> tuple[str, int, int]:
        """What breaks ties in event time."""
        return self.topic, self.partition, self.offset


@cache
def schema_of(path: Path) -> Any:
    """A parsed Avro schema."""
    return fastavro.parse_schema(json.loads(path.read_text()))


def avro(schema: Any, event: Mapping[str, Any]) -> bytes:
    """A bare datum, by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, dict(event))
    return out.getvalue()


@dataclass
class Sender:
    """Produces to one cluster; `flush` returns when everything is acknowledged, or fails."""

    bootstrap: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._failed: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "message.max.bytes": 12_000_000,
                "enable.idempotence": True,
                "log_level": 0,
                **self.options,
            }
        )

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        event: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Sent:
        """Hand over one record; with `event`, note it as an event that counts."""
        noted = Sent(event or {})
        if event is not None:
            self.sent.append(noted)

        def delivered(error: Any, message: Message) -> None:
            if error is not None:
                self._failed.append(str(error))
            noted.topic = message.topic() or ""
            noted.partition = message.partition() or 0
            noted.offset = message.offset() or 0

        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=delivered, **options)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        return noted

    def flush(self) -> None:
        """Everything is acknowledged."""
        left = self._producer.flush(150)
        assert left == 0, f"{left} not acknowledged"
        assert not self._failed, self._failed[:3]

    def send_all(
        self, topic: str, schema: Any, key: str | None, events: Iterable[Mapping[str, Any]]
    ) -> list[Sent]:
        """Produce events as bare Avro, keyed by the text of column `key`; returns them with their places."""
        out = []
        for event in events:
            value = None if key is None else event[key]
            data = avro(schema, event)
            out.append(self.send(topic, None if value is None else str(value).encode(), data, event))
        self.flush()
        return out
