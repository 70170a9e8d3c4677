"""Events of this moment at a steady rate, with probes among them whose arrival in Redis is watched.

A probe is the first event of an entity of its own, one every 10 ms, so that its key's existence is the answer. What is
told is the time from the call of produce() to an outside client's seeing the key, which polls every two milliseconds.
A producer that falls behind its own rate measures itself: then nothing is told but an error.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import redis
from confluent_kafka import Producer

from bench.events import PARTITIONS, datum, encoded
from bench.process import Process, metric
from tests.stack.whole import Addresses

BEHIND = 0.5
"""Seconds by which the producer may be late at worst."""
EVERY = 0.01  # seconds between two probes
LOST = 60.0  # seconds after which a probe counts as lost
WARM_ROUNDS = 6


class BehindError(RuntimeError):
    """The load was not what it was to be, or did not arrive: there is nothing to tell."""


@dataclass(frozen=True)
class Probe:
    """Seconds (time.time) at which it was produced, and milliseconds until it was readable."""

    at: float
    ms: float


@dataclass
class Load:
    """`rate` events a second on `topic`, spread evenly over `users`; probes are looked for in `view`."""

    addresses: Addresses
    topic: str
    view: str
    rate: int
    users: int
    letter: str = "u"
    """That their names begin with."""
    spared: float = 0.0
    """Seconds before each full minute without a probe: of a view of tumbling minutes alone, a value that is not read
    before its minute is over is never there."""
    produced: int = 0
    worst: float = 0.0
    """Milliseconds by which the producer was late at worst while it probed."""
    probes: list[Probe] = field(default_factory=list)

    def __enter__(self) -> Self:
        options = {"bootstrap.servers": self.addresses.kafka, "linger.ms": 5, "acks": "all"}
        self._producer = Producer(options)
        self._random = np.random.default_rng(1)
        self._drawn: list[int] = []
        self._asked: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join(10)

    def warm(self, worker: Process, seconds: float) -> None:
        """Offer the load for so long, uncounted, until a pause shows that the worker was not behind.

        A broker that has just started is slow for some seconds; so is a worker's first flush. Raises BehindError.
        """
        for _ in range(WARM_ROUNDS):
            self.offer(seconds)
            if self.counted(worker) < 1.0:
                return
            seconds = 5.0
        raise BehindError(
            f"{self.rate:,} events/s: after {WARM_ROUNDS} rounds of warming up, the worker was still more than a "
            "second behind: it does not keep up with this rate here"
        )

    def counted(self, worker: Process) -> float:
        """Seconds until the worker has counted all that was produced. Raises BehindError after LOST seconds."""
        begin = time.monotonic()
        self._producer.flush(30)
        while (found := metric(worker.metrics() or "", "headrace_events_total")) < self.produced:
            worker.check()
            if time.monotonic() - begin > LOST:
                raise BehindError(
                    f"the worker counted {found:,.0f} of {self.produced:,} events in {LOST:.0f} s"
                )
            time.sleep(0.05)
        return time.monotonic() - begin

    def offer(
        self, seconds: float, until: Callable[[], bool] = lambda: True, *, probing: bool = False
    ) -> None:
        """Produce for so long, and on `until` it is true; `probing`: and probe after the first second.

        Raises BehindError.
        """
        begin, before, asked = time.perf_counter(), self.produced, 1.0
        while (now := time.perf_counter() - begin) < seconds or not until():
            late = now - (self.produced - before) / self.rate
            if probing:
                self.worst = max(self.worst, 1000 * late)
                if late > BEHIND:
                    raise BehindError(
                        f"{self.rate:,} events/s: the producer itself was {late:.2f} s behind after {now:.0f} s, "
                        f"expected at most {BEHIND} s: the machine is too busy to measure this rate"
                    )
            instant = (
                time.time()
            )  # of the round's events: a probe after a minute's end may not be of before it
            at = encoded(int(instant * 1000))
            for _ in range(int(now * self.rate) - (self.produced - before)):
                if probing and now > asked and instant % 60 < 60 - self.spared:
                    asked = max(asked + EVERY, now - EVERY)
                    self._probe(at)
                else:
                    self._send(b"%b%08d" % (self.letter.encode(), self._draw()), at)
            self._producer.poll(0)
            time.sleep(0.002)

    def arrived(self) -> list[Probe]:
        """All probes so far, once every one was seen. Raises BehindError if one was not, for LOST seconds."""
        end = time.monotonic() + LOST
        while self._asked:
            if time.monotonic() > end:
                raise BehindError(f"{len(self._asked)} probes did not come to Redis within {LOST:.0f} s")
            time.sleep(0.05)
        return self.probes

    def _probe(self, at: bytes) -> None:
        name = f"p{self.produced:08d}"
        with self._lock:
            self._asked[name] = (time.perf_counter(), time.time())
        self._send(name.encode(), at)

    def _send(self, key: bytes, at: bytes) -> None:
        value = datum(self.produced, key, at)
        self._producer.produce(self.topic, value, key, partition=zlib.crc32(key) % PARTITIONS)
        self.produced += 1

    def _draw(self) -> int:
        if not self._drawn:
            self._drawn = self._random.integers(self.users, size=1 << 16).tolist()
        return self._drawn.pop()

    def _watch(self) -> None:
        assert self.addresses.redis_url is not None
        with redis.Redis.from_url(self.addresses.redis_url) as client:
            while not self._done.is_set():
                with self._lock:
                    waiting = list(self._asked)
                if waiting:
                    found = client.pipeline(transaction=False)
                    for name in waiting:
                        found.exists(f"{self.topic}:{self.view}@1:{name}")
                    self._seen(waiting, found.execute())
                time.sleep(0.002)  # a busy poll would compete with the writer for the server

    def _seen(self, waiting: list[str], answers: list[int]) -> None:
        now = time.perf_counter()
        with self._lock:
            for name, there in zip(waiting, answers, strict=True):
                if there:
                    begun, at = self._asked.pop(name)
                    self.probes.append(Probe(at, 1000 * (now - begun)))
