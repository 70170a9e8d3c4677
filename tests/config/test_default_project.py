"""The project that is shipped: it loads, and each of its features is what plain Python makes of the same flights."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import headrace as hr
from app.demo.flights import EVENT_COLUMNS, flights
from headrace.testing import Run, run
from headrace.types import Date, Decimal, Int32, Timestamp
from tests.config import recomputed
from tests.config.recomputed import EPOCH, Flight, us

CONFIG = Path(__file__).resolve().parents[2] / "config"
ENTITIES: dict[str, tuple[str, ...]] = {
    "aircraft_usage": ("tailnum",),
    "airport_traffic": ("origin",),
    "route_punctuality": ("carrier", "dest"),
}
SMALL_AIRLINES = ["F9", "YV", "OO", "HA"]
"""Some 1,660 flights that have all the holes, pauses beyond a ttl, and routes of one flight."""


@pytest.fixture(scope="module")
def project() -> hr.Project:
    return hr.load(CONFIG)


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    return flights()


@pytest.fixture(scope="module")
def small(year: pl.DataFrame) -> list[Flight]:
    return year.filter(pl.col("carrier").is_in(SMALL_AIRLINES)).to_dicts()


def fly(project: hr.Project, events: list[Flight], until: str) -> Run:
    """All views after the flights before an instant have come, in ten pushes as time goes by."""
    end = us(datetime.fromisoformat(until))
    before = us(events[0]["scheduled_at"]) - 1
    started = run(list(project.views.values()), now=EPOCH + timedelta(microseconds=before))
    step = (end - before) // 10 + 1
    for now in [*range(before + step, end, step), end]:
        started.advance(timedelta(microseconds=now - before))
        started.push([f for f in events if before < us(f["scheduled_at"]) <= now])
        before = now
    return started


def entities(events: list[Flight], keys: tuple[str, ...]) -> dict[tuple[Any, ...], list[Flight]]:
    found: dict[tuple[Any, ...], list[Flight]] = {}
    for flight in events:
        key = tuple(flight[k] for k in keys)
        if None not in key:
            found.setdefault(key, []).append(flight)
    return found


def wrong(got: Run, events: list[Flight]) -> list[str]:
    """Every value of every entity that is not what plain Python makes of its flights."""
    return [told for view in ENTITIES for told in wrong_in(view, got, events)]


def wrong_in(view: str, got: Run, events: list[Flight]) -> list[str]:
    plain: Callable[[list[Flight], int], dict[str, Any]] = getattr(recomputed, view)
    out = []
    for key, mine in entities(events, ENTITIES[view]).items():
        expected = plain(mine, got.now)
        values = got.online(dict(zip(ENTITIES[view], key, strict=True)), view=view)
        assert values.keys() == expected.keys()
        out += [f"{view} {key} {n}: {values[n]} {v}" for n, v in expected.items() if not same(values[n], v)]
    return out


def same(got: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(got, float):
        return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-12)
    return got == expected


def test_it_loads(project: hr.Project) -> None:
    assert set(project.entities) == {"aircraft", "airport", "route"}
    assert list(project.sources) == ["flights"]
    assert set(project.views) == set(ENTITIES)


def test_what_is_keyed_otherwise_than_the_topic_is_shuffled(project: hr.Project) -> None:
    shuffled = {name: project.plan(view).shuffled for name, view in project.views.items()}
    assert shuffled == {"aircraft_usage": False, "airport_traffic": True, "route_punctuality": True}


def test_its_schema_uses_logical_types(project: hr.Project) -> None:
    columns = project.source("flights").columns
    assert columns["scheduled_at"] == Timestamp
    assert columns["departed_at"] == Timestamp
    assert columns["service_day"] == Date
    assert columns["distance"] == Decimal(7, 1)
    assert columns["flight"] == Int32


def test_the_flights_are_events_of_its_schema(project: hr.Project, year: pl.DataFrame) -> None:
    source = project.source("flights")
    assert isinstance(source, hr.StreamSource)
    assert list(EVENT_COLUMNS) == list(source.columns)
    with_holes = {c for c in year.columns if year[c].null_count()}
    assert with_holes == source.nullable


@pytest.mark.parametrize(
    ("since", "until"), [("2013-01-01", "2013-03-29T15:04:59Z"), ("2013-09-10", "2013-12-01T00:00:00Z")]
)
def test_every_feature_of_every_entity_is_what_plain_python_makes_of_its_flights(
    project: hr.Project, small: list[Flight], since: str, until: str
) -> None:
    season = [f for f in small if f["service_day"].isoformat() >= since]
    got = fly(project, season, until)
    assert wrong(got, [f for f in season if us(f["scheduled_at"]) <= got.now]) == []


def test_after_a_pause_of_a_ttl_a_lifetime_begins_anew(project: hr.Project, small: list[Flight]) -> None:
    flights = [f for f in small if f["tailnum"] == "N910FR"]
    pause = flights[1]["scheduled_at"] - flights[0]["scheduled_at"]
    assert len(flights) == 2
    assert pause.days == 123
    got = fly(project, flights[:1], flights[0]["scheduled_at"].isoformat())
    assert got.online({"tailnum": "N910FR"}, view="aircraft_usage")["flights_ever"] == 1
    got.advance(pause)
    assert got.online({"tailnum": "N910FR"}, view="aircraft_usage")["flights_ever"] == 0
    got.push(flights[1:])
    assert got.online({"tailnum": "N910FR"}, view="aircraft_usage")["flights_ever"] == 1
    assert wrong(got, flights) == []


def test_an_hour_of_a_snowstorm(project: hr.Project, year: pl.DataFrame) -> None:
    day = year.filter(pl.col("service_day").is_in([datetime(2013, 2, 7).date(), datetime(2013, 2, 8).date()]))
    storm = day.filter(pl.col("scheduled_at") <= datetime(2013, 2, 8, 20, 30, 31, tzinfo=UTC)).to_dicts()
    assert len(storm) == 1495
    assert sum(f["departed_at"] is None for f in storm) == 121
    assert wrong(fly(project, storm, "2013-02-08T20:30:31Z"), storm) == []


def test_values_fall_as_time_passes_without_a_flight(project: hr.Project, small: list[Flight]) -> None:
    got = fly(project, small, "2013-03-03T17:00:03Z")
    seen = [f for f in small if us(f["scheduled_at"]) <= got.now]
    for step in ("10s", "31s", "59s", "10m", "50m", "23h", "6d", "23d", "60d", "100d"):
        got.advance(step)
        assert wrong(got, seen) == [], step


def test_a_flight_of_an_unknown_aircraft_counts_for_its_airport_alone(
    project: hr.Project, year: pl.DataFrame
) -> None:
    flight = year.filter(pl.col("tailnum").is_null()).row(0, named=True)
    got = run(list(project.views.values()), now=flight["scheduled_at"])
    got.push([flight])
    assert [key.split(":")[1] for key in got.redis()] == ["airport_traffic@1"]
    assert got.online({"origin": flight["origin"]}, view="airport_traffic")["cancelled_24h"] == 1
    assert got.dead_letters == []
