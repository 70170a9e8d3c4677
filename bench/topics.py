"""Topics full of the benchmark's events, in every shape that a record batch takes.

Partitions are given, never left to a partitioner, so that an event lies where its user's others lie whatever its key
is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import httpx
import numpy as np
from confluent_kafka import Producer

from bench.events import APART, PADDED, PARTITIONS, SCHEMA, Columns, Skew, columns, datums, keys, partitions
from tests.stack.kafka import create_topic

Compression = Literal["none", "lz4", "zstd", "snappy", "gzip"]
Framing = Literal["none", "two schemas", "json"]

WHOLE_HOUR = 1_699_999_200_000  # ms


@dataclass(frozen=True)
class Shape:
    """How events lie on a topic.

    `poison`: one of so many records is truncated (0: none). `keyed`: records have keys. `headers`: so many an event.
    `pad`: bytes that are added to each event, in a field of its own. `framing`: bare Avro; the wire format of a schema
    registry with two writer schemas in turn; JSON. `batch`: bytes of a producer's batch. `apart`: ms of event time from
    one event to the next.
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
    apart: float = APART


def good(shape: Shape, n: int) -> int:
    """How many of `n` events are no poison."""
    return n - (-(-n // shape.poison) if shape.poison else 0)


def fill(bootstrap: str, topic: str, n: int, shape: Shape, registry: str | None = None) -> None:
    """Make `topic` and fill it with `n` events. `registry` (its URL) is asked where the framing needs it."""
    with _producing(bootstrap, topic, shape) as producer:
        events = columns(n, shape.users, shape.skew, apart=shape.apart)
        _produce(producer, topic, events, shape, _values(events, topic, shape, registry), _Users(shape.users))


def fill_long(bootstrap: str, topic: str, n: int, shape: Shape) -> None:
    """The same a slice at a time, so that any number of events fits in memory. Bare Avro alone."""
    with _producing(bootstrap, topic, shape) as producer:
        users = _Users(shape.users)
        for number, start in enumerate(range(0, n, slice_of(shape))):
            count = min(slice_of(shape), n - start)
            events = columns(count, shape.users, shape.skew, 1 + number, shape.apart)
            moved = replace(events, at=events.at + int(start * shape.apart))
            _produce(producer, topic, moved, shape, datums(moved, shape.pad), users)
            print(f"{topic}: {start + len(moved):,} events produced", file=sys.stderr, flush=True)


def fill_panes(bootstrap: str, topic: str, users: int) -> int:
    """Fill every pane of a window of 24 h and of one of 1 h, of each user: an event in each of 23 hours, then one in
    each of 60 minutes. Returns how many events that are.
    """
    shape = Shape(skew="even", users=users)
    spans = [(hour * 3_600_000, 3_600_000) for hour in range(23)]
    spans += [(23 * 3_600_000 + minute * 60_000, 60_000) for minute in range(60)]
    with _producing(bootstrap, topic, shape) as producer:
        of = _Users(users)
        for seed, (start, span) in enumerate(spans):
            events = columns(users, users, "even", seed)
            at = WHOLE_HOUR + start + np.arange(users) * span // users
            spread = replace(events, at=at)
            _produce(producer, topic, spread, shape, datums(spread), of)
    return len(spans) * users


def slice_of(shape: Shape) -> int:
    """Events that are made at once: each user as often as any other in one of these, where they are spread evenly."""
    return max(shape.users, 1_000_000)


class _Users:
    """The record key and the partition of each user."""

    def __init__(self, count: int) -> None:
        self.names, self.places = keys(count), partitions(count)


@contextmanager
def _producing(bootstrap: str, topic: str, shape: Shape) -> Iterator[Producer]:
    """A producer onto a topic that is made; what was produced is there afterwards."""
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
    yield producer
    if producer.flush(120):
        raise RuntimeError(f"{topic}: the broker did not take all events")


def _produce(
    producer: Producer, topic: str, events: Columns, shape: Shape, values: Iterable[bytes], users: _Users
) -> None:
    headers = [(f"trace-{k}", b"0123456789abcdef") for k in range(shape.headers)] or None
    rows = zip(events.users.tolist(), events.at.tolist(), values, strict=True)
    for i, (who, at, value) in enumerate(rows):
        if shape.poison and i % shape.poison == 0:
            value = value[:-1]
        key = users.names[who] if shape.keyed else None
        while True:
            try:
                producer.produce(
                    topic, value, key, partition=users.places[who], timestamp=at, headers=headers
                )
                break
            except BufferError:  # the broker is slower than we are
                producer.poll(0.1)
        if i % 2000 == 0:
            producer.poll(0)


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
