"""Produces the replayed flights to Kafka, in a thread, at a pace, and remembers what Kafka acknowledged.

The one module that says what was sent: what is checked at the end is compared with this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import KafkaException, Producer
from numpy.typing import NDArray

from app.clock import now_us
from app.demo.pace import Pace
from app.demo.replay import Replay
from app.ingesting import encoder_of, key_of
from app.kafka import producer_options
from headrace.definitions import StreamSource
from headrace.settings import Settings

TICK = 0.02  # seconds between looks at what is due
MOST = 5_000  # events at once
WAITING = 20_000  # events that Kafka may have still to acknowledge
FIRST = 100  # events that wait for the worker, for it to show that it is there


@dataclass
class Ledger:
    """What was handed to Kafka and what it acknowledged, by index of sending."""

    sent: int = 0
    acknowledged: int = 0
    failed: str | None = None
    ends: dict[int, int] = field(default_factory=dict)
    """The next offset of each partition, as far as acknowledged."""
    frames: list[pl.DataFrame] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    """(index, partition, offset) of each acknowledged event, where events are kept."""

    def events(self) -> pl.DataFrame:
        """What is in Kafka: the events with ``_partition`` (Int32) and ``_offset``, ``_timestamp`` (Int64, us)."""
        at = pl.DataFrame(
            self.places,
            schema={"_index": pl.Int64, "_partition": pl.Int32, "_offset": pl.Int64},
            orient="row",
        )
        every = pl.concat(self.frames)
        index = pl.Series("_index", np.arange(len(every)))
        return every.with_columns(index).join(at, on="_index", how="inner").drop("_index")


class Generator:
    """A thread that sends `replay` at `pace` to the source's topic: `limit` events, or without end.

    `sent(places, events, at)` is told of each lot before it is produced: the places of its flights in the replayed
    frame, the events, and the moment (`time.perf_counter`). With `keep`, the ledger holds every event.
    """

    def __init__(
        self,
        source: StreamSource,
        settings: Settings,
        replay: Replay,
        pace: Pace,
        *,
        limit: int | None,
        keep: bool,
        sent: Callable[[NDArray[np.int64], pl.DataFrame, float], None],
    ) -> None:
        self.ledger = Ledger()
        self.done = threading.Event()
        self.bursting = False
        self._source = source
        self._replay = replay
        self._pace = pace
        self._limit = limit
        self._keep = keep
        self._told = sent
        self._encode = encoder_of(source, settings)
        self._producer = Producer(producer_options(settings.kafka))
        self._go = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-generator", daemon=True)

    def start(self) -> None:
        """Send the first events, and wait for `go`."""
        self._thread.start()

    def go(self) -> None:
        """Send the others, at the pace, from now on."""
        self._go.set()

    def stop(self) -> None:
        """Send no more; returns when Kafka has answered for what was sent, or after ten seconds."""
        self._ending.set()
        self._go.set()
        if self._thread.ident is not None:
            self._thread.join(15.0)

    def _run(self) -> None:
        try:
            self._send(min(FIRST, self._limit or FIRST))
            while not self._go.wait(TICK):
                self._producer.poll(0)
            began = time.perf_counter()
            while not self._ending.is_set() and self.ledger.sent != self._limit:
                elapsed = time.perf_counter() - began
                due = self._pace.due(elapsed)
                self.bursting = self._pace.bursting(elapsed)
                room = WAITING - (self.ledger.sent - self.ledger.acknowledged)
                count = min(due + FIRST - self.ledger.sent, room, MOST)
                if self._limit is not None:
                    count = min(count, self._limit - self.ledger.sent)
                if count > 0:
                    self._send(count)
                self._producer.poll(0)
                self._ending.wait(TICK)
            self._producer.flush(10.0)
        except KafkaException as error:
            self.ledger.failed = error.args[0].str()
        except Exception as error:
            self.ledger.failed = f"{type(error).__name__}: {error}"
        finally:
            self.bursting = False
            self.done.set()

    def _send(self, count: int) -> None:
        ledger, first = self.ledger, self.ledger.sent
        now = now_us()
        places = self._replay.coming(count)
        events = self._replay.take(count, now)
        if self._keep:
            ledger.frames.append(events.with_columns(_timestamp=pl.lit(now, dtype=pl.Int64)))
        self._told(places, events, time.perf_counter())
        for index, event in enumerate(events.iter_rows(named=True), first):
            self._producer.produce(
                self._source.topics[0],
                self._encode(event),
                key_of(self._source, event),
                on_delivery=lambda error, message, index=index: self._answered(index, error, message),
            )
        ledger.sent += count

    def _answered(self, index: int, error: Any, message: Any) -> None:
        ledger = self.ledger
        if error is not None:
            ledger.failed = error.str()
            return
        ledger.acknowledged += 1
        partition, offset = message.partition(), message.offset()
        ledger.ends[partition] = max(ledger.ends.get(partition, 0), offset + 1)
        if self._keep:
            ledger.places.append((index, partition, offset))
