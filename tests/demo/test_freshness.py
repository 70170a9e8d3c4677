from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import redis

import headrace as hr
from app.demo.flights import flights
from app.demo.freshness import Probe
from app.demo.shown import Shown, shown
from app.embedded.redis import EmbeddedRedis
from headrace.durations import format_instant
from headrace.online.keys import KeySpace

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def some() -> pl.DataFrame:
    return flights(500)


@pytest.fixture(scope="module")
def airports(some: pl.DataFrame) -> Shown:
    plan = hr.load(CONFIG).plan("airport_traffic")
    return shown(plan, KeySpace("flights", plan.view.name, "1"), some, range(500), most=2)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as started:
        yield started


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_busiest_entities_are_shown(some: pl.DataFrame, airports: Shown) -> None:
    counts = dict(some["origin"].value_counts(sort=True).head(2).iter_rows())
    assert set(airports.keys) == set(counts)
    assert airports.redis_keys == tuple(f"flights:airport_traffic@1:{k}" for k in airports.keys)
    for number, key in enumerate(airports.keys):
        assert (airports.entity_at == number).sum() == counts[key]


def test_it_measures_from_before_producing_until_the_hash_has_the_event(
    some: pl.DataFrame, airports: Shown, server: EmbeddedRedis
) -> None:
    clock, client = Clock(), redis.Redis.from_url(server.url)
    client.flushall()
    probe = Probe(server.url, [airports], clock)
    place = int((airports.entity_at == 0).argmax())
    lot = some[[place]]
    probe.sent(pl.Series([place]).to_numpy(), lot, at=100.0)
    at = int(lot["scheduled_at"].cast(pl.Int64)[0])

    clock.now = 100.2
    probe.look()
    assert probe.freshness().measured == 0

    client.hset(airports.redis_keys[0], "_event_time", format_instant(at - 1))
    probe.look()
    assert probe.freshness().measured == 0

    client.hset(airports.redis_keys[0], "_event_time", format_instant(at))
    clock.now = 100.5
    probe.look()
    found = probe.freshness()
    assert found.measured == 1
    assert found.p50 == pytest.approx(0.5)
    probe.stop()
    client.close()


def test_what_came_before_the_beginning_does_not_count(
    some: pl.DataFrame, airports: Shown, server: EmbeddedRedis
) -> None:
    clock, client = Clock(), redis.Redis.from_url(server.url)
    probe = Probe(server.url, [airports], clock)
    place = int((airports.entity_at == 0).argmax())
    probe.sent(pl.Series([place]).to_numpy(), some[[place]], at=0.0)
    probe.begin()
    client.hset(airports.redis_keys[0], "_event_time", "2030-01-01T00:00:00Z")
    probe.look()
    assert probe.freshness().measured == 0
    probe.stop()
    client.close()
