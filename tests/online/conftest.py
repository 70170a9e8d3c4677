"""A real server for the tests of the online store: one for the session, emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.online.proxy import Proxy
from tests.stack.redis import Redis


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(shared_server: Redis) -> Iterator[redis.Redis]:
    """redis-py on an empty server: what a reader in any language sees."""
    with redis.Redis.from_url(shared_server.url, decode_responses=True, protocol=2) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def url(shared_server: Redis, client: redis.Redis) -> str:
    """The address of the shared server, empty."""
    return shared_server.url


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Redis]:
    """A server that the test may stop, restart and spoil. It forgets everything when it stops."""
    server = Redis(tmp_path / "own")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def proxy(shared_server: Redis, client: redis.Redis) -> Iterator[Proxy]:
    """A way to the shared server on which a test can step between two requests, or cut the line."""
    with Proxy(shared_server.port) as between:
        yield between
