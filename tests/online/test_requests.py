"""Requests to write entities again, between whoever asks and those who do it, on a real server."""

from __future__ import annotations

import pytest
import redis

from headrace.errors import UnavailableError
from headrace.online.requests import LIFE, Request, Requests


def test_a_request_is_open_until_it_is_closed_and_tells_who_has_done_it(
    url: str, client: redis.Redis
) -> None:
    with Requests(url, "shop") as asking, Requests(url, "shop") as worker, Requests(url, "other") as other:
        asking.ask("one", "spend@3", None)
        asking.ask("two", "spend@3", ["42", "é|1"])
        assert worker.look() == [
            Request("one", "spend@3", None, {}),
            Request("two", "spend@3", ("42", "é|1"), {}),
        ]
        assert other.look() == []
        worker.done("one", "payments:0", 17)
        worker.done("one", "payments:1", 0)
        assert asking.get("one") == Request("one", "spend@3", None, {"payments:0": 17, "payments:1": 0})
        asking.close_request("one")
        assert [r.id for r in worker.look()] == ["two"]


def test_a_request_does_not_outlive_the_hour_nor_come_back(url: str, client: redis.Redis) -> None:
    with Requests(url, "shop") as requests:
        requests.ask("one", "spend@3", None)
        assert 0 < client.ttl("shop:_republish:one") <= LIFE  # type: ignore[operator]
        client.delete("shop:_republish:one")
        requests.done("one", "payments:0", 3)
        assert requests.get("one") is None
        assert requests.look() == []
        assert client.keys("*") == []


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with (
        Requests("redis://127.0.0.1:1/0", "shop") as requests,
        pytest.raises(UnavailableError, match="refused"),
    ):
        requests.look()
