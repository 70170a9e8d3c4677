"""What workers say of themselves, on a real server."""

from __future__ import annotations

import pytest
import redis

from headrace.errors import UnavailableError
from headrace.online.reports import FORGOTTEN, Reports


def test_a_worker_speaks_until_it_ends_or_is_forgotten(url: str, client: redis.Redis) -> None:
    with Reports(url, "shop") as reports, Reports(url, "other") as other:
        reports.put("b", {"open": ["t[0]"]}, 100)
        reports.put("a", {"open": []}, 101)
        assert reports.all() == [
            {"open": [], "worker": "a", "at": 101},
            {"open": ["t[0]"], "worker": "b", "at": 100},
        ]
        reports.put("a", {"open": ["t[1]"]}, 101 + FORGOTTEN)
        assert [r["worker"] for r in reports.all()] == ["a"]  # the other one is long silent
        reports.remove("a")
        assert reports.all() == []
        assert other.all() == []


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with (
        Reports("redis://127.0.0.1:1/0", "shop") as reports,
        pytest.raises(UnavailableError, match="refused"),
    ):
        reports.all()
