"""The producer of a scene: sends orders in the background until it is told to stop, and knows what it sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.faults.workload import SCHEMA, EventTime, Orders
from tests.integration.producing import Sender, avro
from tests.integration.recomputation import micros

BAD = "bad"
"""Header of a record that is sent as a bad one: the reason that its dead letter must have."""

_TICK = 0.02


class Traffic(threading.Thread):
    """Sends `rate` orders a second to `topic`; behind time it catches up in bursts of at most a second's worth.

    `extra(traffic, elapsed)`, if set, is called with every tick, on this thread, and may send more.
    """

    def __init__(
        self, bootstrap: str, topic: str, orders: Orders, event_time: EventTime, rate: int, seed: int
    ) -> None:
        super().__init__(name="traffic", daemon=True)
        self.topic = topic
        self.orders = orders
        self.event_time = event_time
        self.rate = rate
        self.prefix = b""
        """What stands before each value: the wire format's head."""
        self.stamped_now = False
        """Whether records are stamped with the event time that is now, late orders too, as brokers do."""
        self.extra: Callable[[Traffic, float], None] | None = None
        self.failure: BaseException | None = None
        self.sender = Sender(
            bootstrap, {"queue.buffering.max.messages": 500_000, "message.timeout.ms": 900_000}
        )
        self.begun = time.monotonic()
        self._halt = threading.Event()
        self._pausing = threading.Event()
        self._paused = threading.Event()

    @property
    def sent(self) -> int:
        """How many orders were handed to the producer, bad records not counted."""
        return len(self.sender.sent)

    @property
    def elapsed(self) -> float:
        """Seconds into the scene."""
        return time.monotonic() - self.begun

    def run(self) -> None:
        try:
            owed = 0.0
            before = self.elapsed
            while not self._halt.wait(_TICK):
                now = self.elapsed
                if self._pausing.is_set():
                    self._paused.set()
                    before = now
                    continue
                owed = min(owed + (now - before) * self.rate, self.rate)
                before = now
                while owed >= 1:
                    owed -= 1
                    self.order(self.orders.next(self.elapsed))
                if self.extra is not None:
                    self.extra(self, now)
        except BaseException as exc:
            self.failure = exc

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """The value of an order."""
        return self.prefix + avro(SCHEMA, event)

    def order(self, event: Mapping[str, Any], stamp: int | None = None) -> None:
        """Send one order, stamped with its event time (or see `stamped_now`) or with `stamp`, in ms."""
        if self.stamped_now and stamp is None:
            stamp = self.event_time.of(self.elapsed) // 1000
        key = None if event["customer"] is None else event["customer"].encode()
        stamp = micros(event["ordered_at"]) // 1000 if stamp is None else stamp
        self.sender.send(self.topic, key, self.encode(event), event, timestamp=stamp)

    def bad(self, value: bytes | None, reason: str, key: bytes = b"c00", stamp: int | None = None) -> None:
        """Send a record of which a dead letter with `reason` must come. `stamp`: ms, now by default."""
        at = self.event_time.of(self.elapsed) // 1000 if stamp is None else stamp
        self.sender.send(self.topic, key, value, headers=[(BAD, reason.encode())], timestamp=at)

    def hold(self) -> None:
        """Send nothing more until `go_on`; returns when everything is acknowledged."""
        self._pausing.set()
        self._paused.wait(60)
        self.sender.flush()

    def go_on(self) -> None:
        """After `hold`."""
        self._pausing.clear()
        self._paused.clear()

    def stop(self) -> None:
        """Send nothing more; everything is acknowledged when it returns."""
        self._halt.set()
        if self.is_alive():
            self.join()
        if self.failure is not None:
            raise self.failure
        self.sender.flush()
