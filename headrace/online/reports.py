"""What each worker says of itself, kept in Redis for `headrace status`: a hash ``{project}:_workers``, a field each.

A report is a small JSON object; its age says whether the worker still speaks. Losing one loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from headrace.online.calls import Calls

FORGOTTEN = 3_600_000_000
"""Microseconds after which a silent worker's report is dropped."""


class Reports(Calls):
    """The reports of one project."""

    def __init__(self, url: str, project: str, *, timeout: float = 5.0) -> None:
        super().__init__(url, timeout=timeout)
        self._key = f"{project}:_workers"

    def put(self, worker: str, report: Mapping[str, Any], now: int) -> None:
        """Say this of a worker, as of `now` (us); reports that are long silent go."""
        told = orjson.dumps({**report, "worker": worker, "at": now})
        self._run(lambda: self._client.hset(self._key, worker, told))
        for other in self.all():
            if now - other["at"] > FORGOTTEN:
                self.remove(other["worker"])

    def remove(self, worker: str) -> None:
        """A worker has ended."""
        self._run(lambda: self._client.hdel(self._key, worker))

    def all(self) -> list[dict[str, Any]]:
        """Every report, by the workers' names; ``worker`` and ``at`` (us) are in each."""
        found = self._run(lambda: self._client.hgetall(self._key))
        return [orjson.loads(raw) for _, raw in sorted(found.items())]
