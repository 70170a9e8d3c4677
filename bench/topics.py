"""Topics full of the benchmark's events, in every shape that a record batch takes.

Partitions are given, never left to a partitioner, so that an event lies where its user's others lie whatever its key
is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import httpx
import numpy as np
from confluent_kafka import Producer

from bench.events import PADDED, PARTITIONS, SCHEMA, Columns, Skew, columns, datums, keys, partitions
from tests.stack.kafka import create_topic

Compression = Literal["none", "lz4", "zstd", "snappy", "gzip"]
Framing = Literal["none", "two schemas", "json"]


@dataclass(frozen=True)
class Shape:
    """How events lie on a topic.

    `poison`: one of so many records is truncated (0: none). `keyed`: records have keys. `headers`: so many an event.
    `pad`: bytes that are added to each event, in a field of its own. `framing`: bare Avro; the wire format of a schema
    registry with two writer schemas in turn; JSON. `batch`: bytes of a producer's batch.
    """

    skew: Skew = "zipf"
    users: int = 100_000
    poison: int = 0
    compression: Compression = "none"
    keyed: bool = True
    headers: int = 0
    framing: Framing = "none"
    pad: int = 0
    batch: int = 1 << 18


def good(shape: Shape, n: int) -> int:
    """How many of `n` events are no poison."""
    return n - (-(-n // shape.poison) if shape.poison else 0)


def fill(bootstrap: str, topic: str, n: int, shape: Shape, registry: str | None = None) -> None:
    """Make `topic` and fill it with `n` events. `registry` (its URL) is asked where the framing needs it."""
    create_topic(bootstrap, topic, PARTITIONS, {"retention.ms": "-1", "retention.bytes": "-1"})
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.size": shape.batch,
            "compression.type": shape.compression,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1 << 20,
        }
    )
    events = columns(n, shape.users, shape.skew)
    names, places = keys(shape.users), partitions(shape.users)
    headers = [(f"trace-{k}", b"0123456789abcdef") for k in range(shape.headers)] or None
    values = _values(events, topic, shape, registry)
    rows = zip(events.users.tolist(), events.at.tolist(), values, strict=True)
    for i, (who, at, value) in enumerate(rows):
        if shape.poison and i % shape.poison == 0:
            value = value[:-1]
        key = names[who] if shape.keyed else None
        producer.produce(topic, value, key, partition=places[who], timestamp=at, headers=headers)
        if i % 2000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"{topic}: the broker did not take all events")


def _values(events: Columns, topic: str, shape: Shape, registry: str | None) -> Iterable[bytes]:
    if shape.framing == "json":
        return _json(events)
    if shape.framing == "two schemas":
        return _framed(events, topic, registry)
    return datums(events, shape.pad)


def _framed(events: Columns, topic: str, registry: str | None) -> Iterator[bytes]:
    """Written in turn under SCHEMA and under PADDED, each behind its id."""
    if registry is None:
        raise RuntimeError("two writer schemas need a schema registry: none is running")
    heads = [
        b"\0" + register(registry, f"{topic}-value", each).to_bytes(4, "big") for each in (SCHEMA, PADDED)
    ]
    for i, value in enumerate(datums(events)):
        yield heads[i % 2] + value + (b"\x04ab" if i % 2 else b"")


def register(registry: str, subject: str, schema: dict[str, object]) -> int:
    """The id of `schema` in the registry."""
    answer = httpx.post(
        f"{registry}/subjects/{subject}/versions", json={"schema": json.dumps(schema)}, timeout=30
    )
    answer.raise_for_status()
    return int(answer.json()["id"])


def _json(events: Columns) -> Iterator[bytes]:
    rows = zip(
        *(x.tolist() for x in (events.users, events.merchants, events.amounts, events.at)), strict=True
    )
    for i, (who, merchant, amount, at) in enumerate(rows):
        device = '"ios"' if i % 3 else "null"
        yield (
            f'{{"event_id":"e{i:012d}","user_id":"u{who:08d}","merchant_id":"m{merchant:05d}","amount":{amount},'
            f'"currency":"EUR","country":"DE","device":{device},"ts":{at},"is_online":{"true" if i & 1 else "false"},'
            f'"item_count":{i % 7}}}'
        ).encode()


def partition_ends(events: Columns, users: int) -> dict[int, int]:
    """The newest event time (ms) of each partition."""
    where = np.asarray(partitions(users))[events.users]
    return {p: int(events.at[where == p].max()) for p in range(PARTITIONS) if (where == p).any()}
