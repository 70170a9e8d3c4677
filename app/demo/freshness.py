"""Freshness as a reader sees it: from before an event is produced until its entity's hash in Redis has it.

Measured from outside, on the entities that are shown: one event of each is followed at a time, by the hash's
``_event_time``, which the worker raises in the same write as the values. An event that is not its entity's newest
cannot be followed so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import redis
from numpy.typing import NDArray

from app.demo.shown import Shown
from headrace.durations import parse_instant

POLL = 0.01  # seconds between looks: figures are this much too high at worst
RECENT = 2_000


@dataclass(frozen=True)
class Freshness:
    """Seconds, and of how many events; None before any was measured."""

    p50: float | None
    p99: float | None
    measured: int


@dataclass
class _Followed:
    event_time: int
    sent_at: float


class Probe:
    """Follows events of the shown entities; `sent` is called by the sender, `start` runs a thread that looks."""

    def __init__(
        self, url: str, views: Sequence[Shown], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)
        self._views = views
        self._clock = clock
        self._newest: dict[str, int] = {}
        self._following: dict[str, _Followed] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-probe", daemon=True)
        self.measured = 0

    def start(self) -> None:
        self._thread.start()

    def begin(self) -> None:
        """Forget what was measured and is followed: until now the worker was starting."""
        with self._lock:
            self._recent.clear()
            self._following.clear()
            self.measured = 0

    def stop(self) -> None:
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        self._client.close()

    def sent(self, places: NDArray[np.int64], events: pl.DataFrame, at: float) -> None:
        """A lot of events that is about to be produced at the moment `at`."""
        times = events["scheduled_at"].cast(pl.Int64).to_numpy()
        with self._lock:
            for view in self._views:
                entity = view.entity_at[places]
                for number in np.unique(entity[entity >= 0]).tolist():
                    key, newest = view.redis_keys[number], int(times[entity == number].max())
                    if newest > self._newest.get(key, 0):
                        self._newest[key] = newest
                        self._following.setdefault(key, _Followed(newest, at))

    def look(self) -> None:
        """One look at all that is followed."""
        with self._lock:
            waiting = dict(self._following)
        if not waiting:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for key in waiting:
                pipe.hget(key, "_event_time")
            found = pipe.execute()
        now = self._clock()
        for (key, followed), text in zip(waiting.items(), found, strict=True):
            if text is not None and parse_instant(text) >= followed.event_time:
                self._seen(key, followed, now)

    def _seen(self, key: str, followed: _Followed, now: float) -> None:
        with self._lock:
            if self._following.get(key) is followed:
                del self._following[key]
                self._recent.append(now - followed.sent_at)
                self.measured += 1

    def freshness(self) -> Freshness:
        """Of the last 2,000 events measured."""
        with self._lock:
            recent = list(self._recent)
        if not recent:
            return Freshness(None, None, 0)
        p50, p99 = np.quantile(recent, [0.5, 0.99])
        return Freshness(float(p50), float(p99), self.measured)

    def _run(self) -> None:
        while not self._ending.wait(POLL):
            try:
                self.look()
            except redis.RedisError:
                self._ending.wait(0.2)
