"""Servers that tests of this folder share, one each for a session: Redis, emptied before each test, and S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app.embedded.redis import EmbeddedRedis
from tests.stack.s3 import S3, create_bucket


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A Redis of our own, whatever the components."""
    with EmbeddedRedis() as started:
        yield started


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """redis-py on that server, which is empty."""
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as connected:
        connected.flushall()
        yield connected


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server with the bucket `lake`; a test takes a prefix of its own."""
    server = S3(tmp_path_factory.mktemp("s3"))
    server.start()
    create_bucket(server.url, "lake")
    yield server
    server.stop()
