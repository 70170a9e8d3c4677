"""What each worker says of itself, kept in Redis for `headrace status`: a hash ``{project}:_workers``, a field each.

A report is a small JSON object; its age says whether the worker still speaks. Losing one loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import orjson
import redis

from headrace.errors import UnavailableError
from headrace.online.address import parse_address

FORGOTTEN = 3_600_000_000
"""Microseconds after which a silent worker's report is dropped."""


class Reports:
    """The reports of one project. Every call raises UnavailableError if Redis does not answer."""

    def __init__(self, url: str, project: str, *, timeout: float = 5.0) -> None:
        self._address = parse_address(url)
        self._key = f"{project}:_workers"
        self._client = redis.Redis.from_url(
            url, protocol=2, socket_timeout=timeout, socket_connect_timeout=timeout
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

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

    def _run(self, call: Any) -> Any:
        try:
            return call()
        except (redis.RedisError, OSError) as exc:
            raise UnavailableError(f"Redis at {self._address}: {exc}") from exc
