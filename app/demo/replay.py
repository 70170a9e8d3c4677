"""Flights moved to now: what happened in 2013 happens again, a year in some minutes.

A flight keeps everything but its instants. Those move together, so that its departure stays as late as it was.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.demo.flights import NEW_YORK

USUAL_DELAY = 0.25  # seconds from an event's time to its being sent, on average
LONGEST_DELAY = 20.0


class Replay:
    """The flights of a frame from a place that follows from `seed` on, around and around."""

    def __init__(self, flights: pl.DataFrame, seed: int) -> None:
        self._flights = flights
        self._chance = np.random.default_rng(seed)
        self._next = int(self._chance.integers(len(flights)))

    def coming(self, count: int) -> NDArray[np.int64]:
        """The places in the frame of the next `count` flights, without taking them."""
        return (self._next + np.arange(count)) % len(self._flights)

    def take(self, count: int, now: int) -> pl.DataFrame:
        """The next `count` flights as events of now (microseconds).

        Each is scheduled a moment before now, by chance: mostly some hundred milliseconds, sometimes seconds, so
        that events arrive somewhat out of order, as they do in life.
        """
        chosen = self._flights[self.coming(count)]
        self._next = (self._next + count) % len(self._flights)
        seconds = np.minimum(self._chance.exponential(USUAL_DELAY, count), LONGEST_DELAY)
        at = pl.Series("at", now - (seconds * 1_000_000).astype(np.int64))
        moved = at.cast(pl.Datetime("us", "UTC"))
        lateness = chosen["departed_at"] - chosen["scheduled_at"]
        # The schema counts departures in milliseconds.
        departed = (moved + lateness).dt.truncate("1ms")
        return chosen.with_columns(
            scheduled_at=moved,
            departed_at=departed,
            service_day=moved.dt.convert_time_zone(NEW_YORK).dt.date(),
        )
