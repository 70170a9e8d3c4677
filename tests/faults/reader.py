"""The reader of a scene: polls Redis as a client does, and remembers what ran backwards and what stood still."""

from __future__ import annotations

import threading
import time

import redis

from tests.faults.workload import CUSTOMERS, PROBES, SHOPS

_PAUSE = 0.03
_FIELDS = ["orders_ever", "_event_time", "last_number"]


class Reader(threading.Thread):
    """Polls every entity of both views of `project` at `url`.

    `backward`: every decrease of a lifetime count or of `_event_time`, as (key, what, before, after); an entity that
    is gone is one too, unless `forgets`: then Redis may lose keys, and only what comes back is compared with what
    was there. `stall`: the longest time, in seconds, that a probe stood still while it was `watching`.
    """

    def __init__(self, url: str, project: str, *, forgets: bool) -> None:
        super().__init__(name="reader", daemon=True)
        self.backward: list[tuple[str, str, str | None, str | None]] = []
        self.reads = 0
        self.stall = 0.0
        self.forgets = forgets
        self._url = url
        self._halt = threading.Event()
        self._watching = threading.Event()
        names = [("by_customer@1", k) for k in (*PROBES, *CUSTOMERS)] + [
            ("by_shop@1", k) for k in (*PROBES, *SHOPS)
        ]
        self._keys = [f"{project}:{view}:{key}" for view, key in names]
        self._probes = [f"{project}:{view}:{key}" for view, key in names if key in PROBES]
        self._number = dict.fromkeys(self._probes, -1)
        self._moved = dict.fromkeys(self._probes, time.monotonic())
        self._last: dict[tuple[str, str], tuple[float, str]] = {}
        self._present: set[str] = set()

    def run(self) -> None:
        client = redis.Redis.from_url(
            self._url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2
        )
        with client:
            while not self._halt.wait(_PAUSE):
                pipe = client.pipeline(transaction=False)
                for key in self._keys:
                    pipe.hmget(key, _FIELDS)
                try:
                    rows = pipe.execute()
                except redis.RedisError:
                    self._look_at_clock()
                    continue
                present = set()
                for key, (count, event_time, number) in zip(self._keys, rows, strict=True):
                    if count is not None:
                        present.add(key)
                    self._see(key, "count", count, float(count or 0))
                    self._see(key, "time", event_time, _digits(event_time))
                    if key in self._number and number is not None:
                        self._seen_probe(key, int(number))
                self._present = present
                self._look_at_clock()
                self.reads += 1

    def _see(self, key: str, what: str, text: str | None, rank: float) -> None:
        before = self._last.get((key, what))
        if text is None and (before is None or self.forgets):
            return
        if before is not None and rank < before[0]:
            self.backward.append((key, what, before[1], text))
        self._last[key, what] = (rank, text or "")

    def _seen_probe(self, key: str, number: int) -> None:
        if number > self._number[key]:
            self._moved[key] = time.monotonic()
        self._number[key] = number

    def _look_at_clock(self) -> None:
        if self._watching.is_set():
            self.stall = max(self.stall, time.monotonic() - min(self._moved.values()))

    def watch(self, on: bool) -> None:
        """Whether probes are expected to move: while orders flow."""
        if on:
            self._moved = dict.fromkeys(self._probes, time.monotonic())
            self._watching.set()
        else:
            self._watching.clear()

    def fresh(self, number: int) -> bool:
        """Whether every probe shows an order of this number or a later one, and every entity seen is there."""
        known = {key for key, _ in self._last}
        return all(n >= number for n in self._number.values()) and known <= self._present

    def stop(self) -> None:
        """Read no more."""
        self._halt.set()
        if self.is_alive():
            self.join()


def _digits(time: str | None) -> float:
    return float("".join(filter(str.isdigit, time or "0")) or 0)
