"""A reader that polls, and remembers every value that ran backwards."""

from __future__ import annotations

import threading
from typing import Self

import redis

from tests.integration.deployment import Deployment


class Watcher:
    """Reads one feature of some keys of a view, as fast as it can, while it is entered.

    `backwards` lists each decrease as (key, before, after), disappearance included; `reads` counts rounds.
    The event time of the newest event counted, `_event_time`, is watched in the same way.
    """

    def __init__(self, deployment: Deployment, view: str, keys: list[str], feature: str) -> None:
        self.backwards: list[tuple[str, str, str]] = []
        self.reads = 0
        self._keys = [f"{deployment.project}:{view}:{key}" for key in keys]
        self._feature = feature
        self._url = deployment.environment["HEADRACE_REDIS__URL"]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        newest: dict[tuple[str, str], tuple[float, str]] = {}
        with redis.Redis.from_url(self._url, decode_responses=True) as client:
            while not self._stopping.wait(0.005):
                pipe = client.pipeline(transaction=False)
                for key in self._keys:
                    pipe.hmget(key, [self._feature, "_event_time"])
                for key, (count, time) in zip(self._keys, pipe.execute(), strict=True):
                    self._see(newest, key, "count", float(count or 0), count)
                    self._see(newest, key, "time", _digits(time), time)
                self.reads += 1

    def _see(
        self, newest: dict[tuple[str, str], tuple[float, str]], key: str, what: str, rank: float, text: str
    ) -> None:
        before = newest.get((key, what))
        if before is not None and rank < before[0]:
            self.backwards.append((f"{key} {what}", before[1], text))
        newest[key, what] = (rank, text)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def _digits(time: str | None) -> float:
    return float("".join(filter(str.isdigit, time or "0")))
