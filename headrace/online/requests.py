"""Requests to write entities online again, left in Redis by whoever asks, taken up by the workers that own them.

Owns the keys of a request: ``{project}:_republish``, the set of open requests, and for each
``{project}:_republish:{id}``, a hash with what is asked and, for each partition that has done it, how many entities
it wrote. A request is gone after an hour. Refuses to know who owns what; if Redis loses a request, it lost the
features too, and they are written again without being asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from headrace.online.calls import Calls

LIFE = 3600
"""Seconds that a request waits for those who do it."""

_ASKED = b"asked"


@dataclass(frozen=True)
class Request:
    """Write entities of `view` (``name@version``) again: those of `keys` (texts), or all. `done`: by partition."""

    id: str
    view: str
    keys: tuple[str, ...] | None
    done: Mapping[str, int]


class Requests(Calls):
    """The requests of one project."""

    def __init__(self, url: str, project: str, *, timeout: float = 5.0) -> None:
        super().__init__(url, timeout=timeout)
        self._open = f"{project}:_republish"

    def ask(self, id: str, view: str, keys: Sequence[str] | None) -> None:
        """Leave a request under a new id."""
        asked = orjson.dumps({"view": view, "keys": None if keys is None else list(keys)})
        key = self._key(id)
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(key, _ASKED, asked)
        pipe.expire(key, LIFE)
        pipe.sadd(self._open, id)
        pipe.expire(self._open, LIFE)
        self._run(pipe.execute)

    def look(self) -> list[Request]:
        """Every open request."""
        found = []
        for member in sorted(cast("set[bytes]", self._run(lambda: self._client.smembers(self._open)))):
            request = self.get(member.decode())
            if request is None:
                self._run(lambda m=member: self._client.srem(self._open, m))
            else:
                found.append(request)
        return found

    def get(self, id: str) -> Request | None:
        """One request with what has been done of it; None if it is gone."""
        fields = cast("dict[bytes, bytes]", self._run(lambda: self._client.hgetall(self._key(id))))
        raw = fields.pop(_ASKED, None)
        if raw is None:
            return None
        asked = orjson.loads(raw)
        keys = None if asked["keys"] is None else tuple(asked["keys"])
        done = {name.decode(): int(count) for name, count in fields.items()}
        return Request(id, asked["view"], keys, done)

    def done(self, id: str, partition: str, entities: int) -> None:
        """A partition has written so many entities again."""
        key = self._key(id)

        def note() -> None:
            if self._client.exists(key):
                self._client.hset(key, partition, str(entities))
                self._client.expire(key, LIFE)

        self._run(note)

    def close_request(self, id: str) -> None:
        """Nobody waits for it any more."""
        self._run(lambda: self._client.srem(self._open, id))

    def _key(self, id: str) -> str:
        return f"{self._open}:{id}"
