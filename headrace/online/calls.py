"""A connection for small things that are kept in Redis beside the features; its errors are ours."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import redis

from headrace.errors import SettingsError, UnavailableError
from headrace.online.address import parse_address


class Calls:
    """A context manager. Every call raises UnavailableError, or SettingsError for a refused login."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._address = parse_address(url)
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

    def _run(self, call: Any) -> Any:
        try:
            return call()
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as exc:
            raise SettingsError(
                f"Redis at {self._address} answered: {exc}. Correct the user or password in redis.url"
            ) from None
        except (redis.RedisError, OSError) as exc:
            raise UnavailableError(f"Redis at {self._address}: {exc}") from exc
