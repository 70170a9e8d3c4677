"""The online store on every server it must serve: embedded, Valkey, and the distribution's Redis."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import redis

from headrace.errors import FencedError, OnlineLostError
from headrace.online.keys import KeySpace
from headrace.online.read import OnlineReader
from headrace.online.resp import encode
from headrace.online.write import OnlineWriter
from headrace.types import Float64, Int64
from tests.online.rows import rows
from tests.stack.components import Components
from tests.stack.redis import DistributionRedis

pytestmark = pytest.mark.integration

TYPES = {"n": Int64, "x": Float64}


def go_through_it(url: str, project: str) -> None:
    """Claim, write, read, null a feature, remove a key, lose the partition."""
    space = KeySpace(project, "spend", "3")
    fence = space.fence_key(0)
    keys = [f"{i}" for i in range(400)]
    with OnlineWriter(url) as writer, OnlineWriter(url) as other, OnlineReader(url) as reader:

        def write(n: object, **options: object) -> None:
            frame = rows(keys, {"n": (Int64, [n] * 400), "x": (Float64, [0.5] * 400)}, **options)  # type: ignore[arg-type]
            writer.write(fence, 1, encode(frame, space, TYPES))

        def read() -> list[dict[str, object] | None]:
            found = reader.read(project, "spend", "3", keys, TYPES)
            return [None if row is None else dict(row.values) for row in found]

        writer.claim(fence, 1)
        write(7)
        assert read() == [{"n": 7, "x": 0.5}] * 400
        write(None, ttl=[60_000] * 400)
        assert read() == [{"n": None, "x": 0.5}] * 400
        write(1, remove=[i % 2 == 0 for i in range(400)])
        assert read() == [None, {"n": 1, "x": 0.5}] * 200
        other.claim(fence, 2)
        with pytest.raises(FencedError):
            write(9)
        assert read() == [None, {"n": 1, "x": 0.5}] * 200
        with redis.Redis.from_url(url) as client:
            assert 0 < client.pttl(space.redis_key("1")) <= 60_000  # type: ignore[operator]
            client.delete(fence)
        with pytest.raises(OnlineLostError):
            write(9)


def test_the_store_works_on_the_embedded_and_on_the_real_server(components: Components) -> None:
    go_through_it(components.redis_url, components.unique("shop"))


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="the distribution has no redis-server here")
def test_the_store_works_on_the_distributions_redis(tmp_path: Path) -> None:
    server = DistributionRedis(tmp_path, binary=Path(shutil.which("redis-server") or ""))
    server.start()
    try:
        go_through_it(server.url, "shop")
    finally:
        server.stop()
