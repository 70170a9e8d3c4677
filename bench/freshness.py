"""Freshness: from the call of produce() to the value being readable by an outside Redis client."""

from __future__ import annotations

import io
import tempfile
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import fastavro
import numpy as np
import redis
from confluent_kafka import Producer

from bench import projects
from bench.events import PARTITIONS, SCHEMA
from bench.measuring import cpu_of
from bench.process import Process, environment
from tests.stack.kafka import create_topic
from tests.stack.whole import Addresses


@dataclass(frozen=True)
class Freshness:
    """Milliseconds from produce to readable at `rate` events a second; cores that the worker used."""

    rate: int
    probes: int
    p50: float
    p99: float
    worst: float
    cores: float


HEAD = [
    "| offered, events/s | probes | p50 ms | p99 ms | worst ms | worker cores |",
    "|---|---|---|---|---|---|",
]


def line(f: Freshness) -> str:
    """A row of the report."""
    return f"| {f.rate:,} | {f.probes} | {f.p50:.0f} | {f.p99:.0f} | {f.worst:.0f} | {f.cores:.2f} |"


def run(addresses: Addresses, rate: int, seconds: float, *, users: int = 20_000) -> Freshness:
    """Produce `rate` events a second; every 10 ms one of them is a probe whose count is polled in Redis."""
    topic = f"fresh{int(time.time() * 1000)}"
    assert addresses.kafka is not None
    create_topic(addresses.kafka, topic, PARTITIONS, {})
    with tempfile.TemporaryDirectory() as folder:
        config = projects.write(Path(folder), "w1x3", topic, topic)
        with Process("worker", config, environment(addresses, HEADRACE_ENGINE__CLOCK="wall"), 0) as worker:
            while worker.metrics() is None:
                worker.check()
                time.sleep(0.1)
            return _measure(addresses, worker, topic, rate, seconds, users)


def _measure(
    addresses: Addresses, worker: Process, topic: str, rate: int, seconds: float, users: int
) -> Freshness:
    assert addresses.redis_url is not None
    redis_url = addresses.redis_url
    producer = Producer({"bootstrap.servers": addresses.kafka, "linger.ms": 5, "acks": "all"})
    schema = fastavro.parse_schema(SCHEMA)
    sent: dict[str, float] = {}
    waits: list[float] = []
    lock = threading.Lock()
    done = threading.Event()

    def watch() -> None:
        """Poll the keys of probes in flight; a probe's key is its own, so its existence is the answer."""
        client = redis.Redis.from_url(redis_url)
        while not (done.is_set() and not sent):
            with lock:
                waiting = list(sent)
            if not waiting:
                time.sleep(0.001)
                continue
            found = client.pipeline(transaction=False)
            for key in waiting:
                found.exists(f"{topic}:w1x3@1:{key}")
            answers = found.execute()
            now = time.perf_counter()
            time.sleep(0.002)  # a busy poll would compete with the writer for the server
            with lock:
                for key, there in zip(waiting, answers, strict=True):
                    if there:
                        waits.append(1000 * (now - sent.pop(key)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    random = np.random.default_rng(1)
    begin, i = time.perf_counter(), 0
    cpu0 = cpu_of(worker.pid)
    while (now := time.perf_counter()) - begin < seconds:
        due = int((now - begin) * rate)
        first = True
        while i < due:
            probe = first and i % 20 == 0
            user = f"p{i:09d}" if probe else f"u{random.integers(users):08d}"
            first = False
            value = io.BytesIO()
            fastavro.schemaless_writer(
                value,
                schema,
                {
                    "event_id": f"e{i:012d}",
                    "user_id": user,
                    "merchant_id": "m00001",
                    "amount": 1.5,
                    "currency": "EUR",
                    "country": "DE",
                    "device": None,
                    "ts": int(time.time() * 1000),
                    "is_online": True,
                    "item_count": 1,
                },
            )
            if probe and now - begin > 3.0:  # the first seconds warm up
                with lock:
                    sent[user] = time.perf_counter()
            key = user.encode()
            producer.produce(topic, value.getvalue(), key, partition=zlib.crc32(key) % PARTITIONS)
            i += 1
        producer.poll(0)
        time.sleep(0.002)
    cores = (cpu_of(worker.pid) - cpu0) / (time.perf_counter() - begin)
    producer.flush(30)
    done.set()
    watcher.join(30)
    p50, p99 = np.percentile(waits, [50, 99])
    return Freshness(rate, len(waits), float(p50), float(p99), max(waits), cores)
