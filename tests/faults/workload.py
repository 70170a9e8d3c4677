"""The orders of a scene: seeded random events, and what there is to know of them without the engine."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.producing import schema_of
from tests.integration.recomputation import MINUTE, SECOND, at, instant

PROJECT = Path(__file__).parent / "orders"
SCHEMA = schema_of(PROJECT / "schemas" / "order.avsc")
PARTITIONS = 3
MAX_AHEAD = 10 * MINUTE
LATENESS = 30 * SECOND

CUSTOMERS = tuple(f"c{i:02}" for i in range(40))
SHOPS = tuple(f"s{i}" for i in range(8))


def partition_of(key: str, partitions: int = PARTITIONS) -> int:
    """Where librdkafka's default partitioner puts a key."""
    return zlib.crc32(key.encode()) % partitions


def _probes() -> tuple[str, ...]:
    found: dict[int, str] = {}
    for i in range(1_000):
        found.setdefault(partition_of(f"probe{i}"), f"probe{i}")
        if len(found) == PARTITIONS:
            return tuple(found[p] for p in range(PARTITIONS))
    raise AssertionError("no key for each partition")


PROBES = _probes()
"""A customer on each partition, and shops of the same names, that order all the time."""


@dataclass(frozen=True)
class EventTime:
    """Event time as a function of the seconds that a scene has lasted: `start` (us) and so many times as fast."""

    start: int = instant("2026-03-01T00:00:00Z")
    speed: int = 20

    def of(self, elapsed: float) -> int:
        """Microseconds since the epoch."""
        return self.start + int(elapsed * self.speed * SECOND)


class Orders:
    """Draws orders. Every eighth is a probe; of the others some are late, some have no customer."""

    def __init__(self, rng: random.Random, time: EventTime, hot: float = 0.0) -> None:
        self._rng = rng
        self._time = time
        self._hot = hot
        self.number = 0
        """That of the next order."""

    def next(self, elapsed: float) -> Mapping[str, Any]:
        """The next order, at so many seconds into the scene."""
        rng, now = self._rng, self._time.of(elapsed)
        number, self.number = self.number, self.number + 1
        late = customer = shop = None
        if number % 8 == 0:
            customer = shop = PROBES[number // 8 % len(PROBES)]
        else:
            late = rng.random() < 0.08
            customer = None if rng.random() < 0.03 else rng.choice(CUSTOMERS)
            if customer is not None and rng.random() < self._hot:
                customer = CUSTOMERS[0]
            shop = rng.choice(SHOPS)
        return {
            "ordered_at": at(now - (rng.randrange(10 * MINUTE) if late else 0)),
            "customer": customer,
            "shop": shop,
            "number": number,
            "cents": rng.randrange(1, 10_000),
            "status": rng.choices(["paid", "open", "failed"], [8, 1, 1])[0],
            "note": None if rng.random() < 0.7 else "n" * rng.randrange(40),
        }
