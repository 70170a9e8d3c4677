"""The reader of the online store: the latest values of entities, typed, in one round trip for many keys.

Owns HMGET and the way from text to values. Refuses to fill in defaults: an entity that is not there is None,
and what it reads as (the values over no events) is for the view's plan to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, cast

import redis
import redis.asyncio

from headrace.durations import parse_instant
from headrace.errors import DecodeError, SettingsError, StateError, UnavailableError
from headrace.online.address import parse_address
from headrace.online.keys import KeySpace
from headrace.online.promotions import promoted, promotions_key
from headrace.online.resp import META
from headrace.online.text import from_text
from headrace.types import DataType

_Texts = list[bytes | None]


@dataclass(frozen=True)
class OnlineRow:
    """One entity as Redis has it: Python values by feature (None for null), and instants in microseconds.

    `event_time`: of the newest event applied; `as_of`: the instant of the values; `written_at`: of the write.
    """

    values: Mapping[str, object]
    event_time: int | None
    as_of: int | None
    written_at: int | None


class OnlineReader:
    """Reads one Redis server, with redis-py; safe to share between threads. `timeout` in seconds."""

    def __init__(self, url: str, *, hash_tag: bool = False, timeout: float = 5.0) -> None:
        self.address = parse_address(url)
        self._url = url
        self._hash_tag = hash_tag
        self._timeout = timeout
        self._client = redis.Redis.from_url(
            url, protocol=2, socket_timeout=timeout, socket_connect_timeout=timeout
        )
        self._async: tuple[asyncio.AbstractEventLoop, redis.asyncio.Redis] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        """Closes the connections of `aread`, from the loop that it was called in."""
        if self._async is not None:
            (_, client), self._async = self._async, None
            await client.aclose()

    def read(
        self, project: str, view: str, version: str, keys: Sequence[str], features: Mapping[str, DataType]
    ) -> list[OnlineRow | None]:
        """The rows of the entities whose texts are `keys` (see `keys.python_entity_key`), in that order.

        None for an entity that is not in Redis. Each row is of one instant; different rows need not be.
        Raises UnavailableError, SettingsError for a refused login, DecodeError for a text that is not of its
        type.
        """
        space = KeySpace(project, view, version, self._hash_tag)
        with self._client.pipeline(transaction=False) as pipe, self._translated():
            for key in keys:
                pipe.hmget(space.redis_key(key), [*META, *features])
            replies = cast("list[_Texts]", pipe.execute())
        return [_row(space, k, r, features) for k, r in zip(keys, replies, strict=True)]

    async def aread(
        self, project: str, view: str, version: str, keys: Sequence[str], features: Mapping[str, DataType]
    ) -> list[OnlineRow | None]:
        """As `read`, for asyncio."""
        space = KeySpace(project, view, version, self._hash_tag)
        async with self._asyncio().pipeline(transaction=False) as pipe:
            with self._translated():
                for key in keys:
                    pipe.hmget(space.redis_key(key), [*META, *features])
                replies = cast("list[_Texts]", await cast("Awaitable[object]", pipe.execute()))
        return [_row(space, k, r, features) for k, r in zip(keys, replies, strict=True)]

    def promoted(self, project: str) -> dict[str, str]:
        """The promoted version of each view that was promoted. Errors as `read`."""
        with self._translated():
            return promoted(cast("Mapping[bytes, bytes]", self._client.hgetall(promotions_key(project))))

    async def apromoted(self, project: str) -> dict[str, str]:
        """As `promoted`, for asyncio."""
        with self._translated():
            found = await cast("Awaitable[object]", self._asyncio().hgetall(promotions_key(project)))
            return promoted(cast("Mapping[bytes, bytes]", found))

    def _asyncio(self) -> redis.asyncio.Redis:
        loop = asyncio.get_running_loop()
        if self._async is None or self._async[0] is not loop:
            client = redis.asyncio.Redis.from_url(
                self._url, protocol=2, socket_timeout=self._timeout, socket_connect_timeout=self._timeout
            )
            self._async = (loop, client)
        return self._async[1]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as exc:
            raise SettingsError(
                f"Redis at {self.address} answered: {exc}. Correct the user or password in redis.url"
            ) from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as exc:
            raise UnavailableError(f"Redis at {self.address}: {exc}") from exc
        except redis.ResponseError as exc:
            raise StateError(f"Redis at {self.address} answered: {exc}") from exc


def _row(space: KeySpace, key: str, texts: _Texts, features: Mapping[str, DataType]) -> OnlineRow | None:
    if all(t is None for t in texts):
        return None
    event_time, as_of, written_at = (None if t is None else _instant(t) for t in texts[: len(META)])
    values: dict[str, object] = {}
    for (name, type), text in zip(features.items(), texts[len(META) :], strict=True):
        try:
            values[name] = None if text is None else from_text(text.decode(), type)
        except (DecodeError, UnicodeDecodeError) as exc:
            raise DecodeError(f"{space.redis_key(key)} field {name}: {exc}") from None
    return OnlineRow(values, event_time, as_of, written_at)


def _instant(text: bytes) -> int | None:
    try:
        return parse_instant(text.decode())
    except ValueError:
        return None
