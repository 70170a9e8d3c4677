from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from app.demo.flights import EVENT_COLUMNS, flights
from app.demo.replay import LONGEST_DELAY, Replay

NOW = 1_795_262_400_000_000  # 2026-11-21T12:00:00Z
INSTANTS = ("scheduled_at", "departed_at", "service_day")


@pytest.fixture(scope="module")
def some() -> pl.DataFrame:
    return flights(1_000)


def test_flights_keep_all_but_their_instants(some: pl.DataFrame) -> None:
    replay = Replay(some, seed=1)
    places = replay.coming(100)
    events = replay.take(100, NOW)
    assert events.drop(INSTANTS).equals(some[places].drop(INSTANTS))
    assert dict(events.schema) == EVENT_COLUMNS


def test_they_are_scheduled_a_moment_ago(some: pl.DataFrame) -> None:
    ago = NOW - Replay(some, seed=1).take(1_000, NOW)["scheduled_at"].cast(pl.Int64)
    assert ago.min() >= 0  # type: ignore[operator]
    assert ago.max() <= LONGEST_DELAY * 1_000_000  # type: ignore[operator]
    assert ago.n_unique() > 900


def test_a_departure_stays_as_late_as_it_was(some: pl.DataFrame) -> None:
    replay = Replay(some, seed=1)
    was = some[replay.coming(500)]
    events = replay.take(500, NOW)
    moved = events["departed_at"] - events["scheduled_at"].dt.truncate("1ms")
    assert moved.equals((was["departed_at"] - was["scheduled_at"]).alias("departed_at"))


def test_the_day_is_new_york_s(some: pl.DataFrame) -> None:
    midnight = datetime(2026, 11, 21, 4, 59, 30, tzinfo=UTC)
    events = Replay(some, seed=1).take(5, int(midnight.timestamp()) * 1_000_000)
    assert {d.isoformat() for d in events["service_day"]} == {"2026-11-20"}


def test_it_goes_around_and_around(some: pl.DataFrame) -> None:
    replay = Replay(some, seed=1)
    once = replay.take(1_000, NOW)
    again = replay.take(1_000, NOW)
    assert again.drop(INSTANTS).equals(once.drop(INSTANTS))


def test_the_seed_says_where_it_begins(some: pl.DataFrame) -> None:
    assert Replay(some, seed=1).take(9, NOW).equals(Replay(some, seed=1).take(9, NOW))
    assert Replay(some, seed=1).coming(1).tolist() != Replay(some, seed=2).coming(1).tolist()
