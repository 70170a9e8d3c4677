"""How many events should have been sent by a moment: a steady rate with bursts. Arithmetic only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

BURST_EVERY = 12.0  # seconds, on average
BURST_SECONDS = 1.5
BURST_FACTOR = 5.0


@dataclass(frozen=True)
class Burst:
    """From `start` to `end`, in seconds since the beginning."""

    start: float
    end: float


def bursts(seed: int) -> Iterator[Burst]:
    """Bursts without end, in order and apart, at moments that follow from `seed` alone."""
    chance, at = random.Random(seed), 0.0
    while True:
        start = at + BURST_EVERY * chance.uniform(0.5, 1.5)
        at = start + BURST_SECONDS
        yield Burst(start, at)


class Pace:
    """`rate` events a second, and five times as many while a burst lasts."""

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self._coming = bursts(seed)
        self._burst = next(self._coming)
        self._passed = 0.0  # seconds of bursts that are over

    def due(self, elapsed: float) -> int:
        """How many events are due `elapsed` seconds after the beginning; elapsed never goes back."""
        while self._burst.end <= elapsed:
            self._passed += BURST_SECONDS
            self._burst = next(self._coming)
        bursting = self._passed + max(elapsed - self._burst.start, 0.0)
        return int(self.rate * (elapsed + (BURST_FACTOR - 1) * bursting))

    def bursting(self, elapsed: float) -> bool:
        """Whether a burst lasts at this moment, which `due` has been asked for."""
        return self._burst.start <= elapsed < self._burst.end
