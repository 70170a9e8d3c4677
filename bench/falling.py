"""Freshness while every entity falls: all values of all entities change at one instant, and events go on.

The view is a rolling hour in steps of a minute. Each entity has one event, and all of these lie in the one minute that
leaves the window at the next full minute B: an hour before B. So the hour's end is real, and only the wait for it is
left out. Probes begin before B and go on after the last entity has fallen; which have fallen is read from Redis.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import redis
from confluent_kafka import Producer

from bench import projects
from bench.events import PARTITIONS, datum, encoded, keys, partitions, user
from bench.live import BehindError, Load
from bench.process import Process, environment
from tests.stack.kafka import create_topic
from tests.stack.whole import Addresses

RATE, LIMIT = 5_000, 500.0
"""Events a second beside the fall, and the 99th percentile (ms) that was asked for."""
VIEW = "w2"
HOUR = 3_600_000
LOADING = 70.0  # seconds to load a million entities, at the least, before they fall
BEFORE = 5.0  # seconds of probing before the instant, and after the last entity has fallen at the least
LONGEST = 120.0  # seconds after which what has not fallen will not
SAMPLED = 200  # entities that are watched while they fall; afterwards all of them are looked at


@dataclass(frozen=True)
class Fall:
    """`entities` fell within `seconds` of the instant. Percentiles are milliseconds: of probes produced while they
    fell, and of all.
    """

    entities: int
    seconds: float
    probes: int
    p50: float
    p99: float
    worst: float
    every: int
    p99_of_all: float
    late: float


HEAD = [
    "| live entities | all fallen after, s | probes meanwhile | p50 ms | p99 ms | worst ms | probes, with those before "
    "and after | p99 ms | producer late at worst, ms | asked for |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def line(f: Fall) -> str:
    """A row of the report."""
    said = "reached" if max(f.p99, f.p99_of_all) < LIMIT else "not reached"
    return (
        f"| {f.entities:,} | {f.seconds:.1f} | {f.probes:,} | {f.p50:.0f} | {f.p99:.0f} | {f.worst:.0f} "
        f"| {f.every:,} | {f.p99_of_all:.0f} | {f.late:.0f} | p99 below {LIMIT:.0f}: {said} |"
    )


def run(addresses: Addresses, entities: int) -> Fall:
    """Load so many, wait for the instant, and measure across it. Raises BehindError."""
    topic = f"falling{time.time_ns()}"
    assert addresses.kafka is not None
    create_topic(addresses.kafka, topic, PARTITIONS, {"retention.ms": "-1", "retention.bytes": "-1"})
    with tempfile.TemporaryDirectory() as folder:
        config = projects.write(Path(folder), VIEW, topic, topic)
        variables = environment(addresses, HEADRACE_ENGINE__CLOCK="wall")
        with (
            Process("worker", config, variables, 0) as worker,
            Load(addresses, topic, VIEW, RATE, 1_000, letter="q") as load,
        ):
            load.warm(worker, 10.0)
            at = (int(time.time() + LOADING) // 60 + 1) * 60
            _produce(addresses.kafka, topic, entities, 1000 * at - HOUR)
            load.produced += entities
            load.counted(worker)
            time.sleep(1.0)  # counted is written, but for the flush that is under way
            if left := len(_holding(addresses, topic, range(entities), "0")):
                raise BehindError(f"{left:,} of {entities:,} entities have no value before they are to fall")
            if (late := time.time() - (at - BEFORE)) > 0:
                raise BehindError(
                    f"{entities:,} entities were loaded {late:.0f} s too late: they fall at once"
                )
            time.sleep(-late)
            return _across(addresses, load, topic, entities, float(at))


def _across(addresses: Addresses, load: Load, topic: str, entities: int, at: float) -> Fall:
    ends: list[float] = []

    def watch() -> None:
        left = list(range(0, entities, max(entities // SAMPLED, 1)))
        while left and time.time() < at + LONGEST:
            time.sleep(0.2)
            left = _holding(addresses, topic, left, "1")
        ends.append(time.time())

    watcher = threading.Thread(target=watch)
    watcher.start()
    load.offer(BEFORE, lambda: bool(ends) and time.time() > ends[0] + BEFORE, probing=True)
    watcher.join()
    probes = load.arrived()
    if left := len(_holding(addresses, topic, range(entities), "1")):
        raise BehindError(f"{left:,} of {entities:,} entities have not fallen after {LONGEST:.0f} s")
    during = [p.ms for p in probes if at <= p.at < ends[0]]
    p50, p99 = np.percentile(during, [50, 99])
    of_all = np.percentile([p.ms for p in probes], 99)
    return Fall(
        entities,
        ends[0] - at,
        len(during),
        float(p50),
        float(p99),
        max(during),
        len(probes),
        float(of_all),
        load.worst,
    )


def _produce(bootstrap: str, topic: str, entities: int, begin: int) -> None:
    """One event of each entity, in the minute from `begin` (ms)."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 2_000_000}
    )
    times = [encoded(begin + 1000 * second) for second in range(60)]
    rows = zip(keys(entities), partitions(entities), strict=True)
    for number, (key, partition) in enumerate(rows):
        producer.produce(topic, datum(number, key, times[number % 60]), key, partition=partition)
        if number % 2_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise BehindError(f"{topic}: the broker did not take all events")


def _holding(addresses: Addresses, topic: str, entities: Iterable[int], count: str) -> list[int]:
    """Those of the entities whose count in Redis is this; one that is not there counts 0."""
    assert addresses.redis_url is not None
    found: list[int] = []
    with redis.Redis.from_url(addresses.redis_url, decode_responses=True) as client:
        for some in batched(entities, 10_000):
            asked = client.pipeline(transaction=False)
            for number in some:
                asked.hget(f"{topic}:{VIEW}@1:{user(number)}", "count")
            answers = asked.execute()
            found += [n for n, answer in zip(some, answers, strict=True) if (answer or "0") == count]
    return found


def batched(numbers: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    """The numbers in tuples of `size`, the last one shorter."""
    left = iter(numbers)
    while some := tuple(islice(left, size)):
        yield some
