"""The event of the benchmark, and topics full of it.

The same events as the peers' benchmark reads: ten fields, about 58 bytes of Avro, key = user id, four partitions,
50,000 events to a minute of event time with 20 ms of jitter. Whose they are:

- ``zipf``: Zipf 1.0
- ``uniform``: drawn evenly
- ``even``: each user equally often, in random order
- ``hot``: nine of ten are of one user, the rest Zipf 1.0
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import fastavro
import numpy as np
from confluent_kafka import Producer

from tests.stack.kafka import create_topic

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Txn",
    "namespace": "b",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "user_id", "type": "string"},
        {"name": "merchant_id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "currency", "type": "string"},
        {"name": "country", "type": "string"},
        {"name": "device", "type": ["null", "string"], "default": None},
        {"name": "ts", "type": "long"},
        {"name": "is_online", "type": "boolean"},
        {"name": "item_count", "type": "int"},
    ],
}
T0 = 1_699_999_980_000  # a whole minute, ms
PARTITIONS = 4

Skew = Literal["zipf", "uniform", "even", "hot"]


def whose(
    n: int, users: int, skew: Skew, random: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The user of each of `n` events."""
    if skew == "uniform":
        return random.integers(0, users, n)
    if skew == "even":
        return np.concatenate([random.permutation(users) for _ in range(-(-n // users))])[:n]
    weights = 1 / np.arange(1, users + 1)
    who = random.choice(users, size=n, p=weights / weights.sum())
    return np.where(random.random(n) < 0.9, 0, who) if skew == "hot" else who


def encoded(n: int, users: int, skew: Skew, seed: int = 1) -> Iterator[tuple[bytes, bytes, int]]:
    """(key, Avro datum, event time in ms) of `n` events, in order of event time but for the jitter."""
    random = np.random.default_rng(seed)
    who = whose(n, users, skew, random)
    merchants = random.integers(0, 5000, n)
    amounts = np.round(random.gamma(2, 30, n), 2)
    jitter = random.integers(-20, 21, n)
    schema = fastavro.parse_schema(SCHEMA)
    for i in range(n):
        at = T0 + 20 + int(i * 1.2) + int(jitter[i])
        user = f"u{who[i]:08d}"
        out = io.BytesIO()
        fastavro.schemaless_writer(
            out,
            schema,
            {
                "event_id": f"e{i:012d}",
                "user_id": user,
                "merchant_id": f"m{merchants[i]:05d}",
                "amount": float(amounts[i]),
                "currency": "EUR",
                "country": "DE",
                "device": "ios" if i % 3 else None,
                "ts": at,
                "is_online": bool(i & 1),
                "item_count": int(i % 7),
            },
        )
        yield user.encode(), out.getvalue(), at


def fill(
    bootstrap: str,
    topic: str,
    n: int,
    users: int,
    *,
    skew: Skew = "zipf",
    poison: int = 0,
    compression: str = "none",
) -> None:
    """Make `topic` and fill it. `poison`: every so manieth record is truncated; 0: none is."""
    create_topic(bootstrap, topic, PARTITIONS, {"retention.ms": "-1", "retention.bytes": "-1"})
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.size": 1 << 18,
            "compression.type": compression,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1 << 20,
        }
    )
    for i, (key, value, at) in enumerate(encoded(n, users, skew)):
        if poison and i % poison == 0:
            value = value[:-1]
        producer.produce(topic, value, key, partition=zlib.crc32(key) % PARTITIONS, timestamp=at)
        if i % 2000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"{topic}: the broker did not take all events")
