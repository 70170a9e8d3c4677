"""The comparison at the end of a bounded run finds what is wrong, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

import headrace as hr
from app.demo.flights import flights
from app.demo.recomputing import mismatches, rows_of
from app.demo.replay import Replay
from headrace.plan import ViewPlan
from headrace.testing import run

NOW = 1_795_262_400_000_000
CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def project() -> hr.Project:
    return hr.load(CONFIG)


@pytest.fixture(scope="module")
def sent() -> pl.DataFrame:
    events = Replay(flights(2_000), seed=1).take(300, NOW)
    return events.with_columns(
        _partition=pl.lit(0, dtype=pl.Int32),
        _offset=pl.int_range(pl.len()),
        _timestamp=pl.lit(NOW, dtype=pl.Int64),
    )


def online(project: hr.Project, plan: ViewPlan, sent: pl.DataFrame) -> dict[str, dict[str, str]]:
    """What a worker that did everything right has written: the hashes of a view by entity."""
    started = run(plan.view, now="2026-11-21T12:00:00Z")
    started.push(sent.select(pl.exclude("^_.*$")).to_dicts())
    return {name.split(":", 2)[2]: dict(found) for name, found in started.redis().items()}


@pytest.mark.parametrize("view", ["aircraft_usage", "airport_traffic", "route_punctuality"])
def test_what_is_right_is_found_right(project: hr.Project, sent: pl.DataFrame, view: str) -> None:
    plan = project.plan(view)
    found = online(project, plan, sent)
    assert len(found) >= 3
    assert mismatches(plan, rows_of(plan, sent), found, NOW) == []


def wrong(project: hr.Project, sent: pl.DataFrame, change: Mapping[str, str | None]) -> list[str]:
    plan = project.plan("airport_traffic")
    found = online(project, plan, sent)
    for name, value in change.items():
        found["JFK"].pop(name)
        found["JFK"] |= {name: value} if value is not None else {}
    return [m.feature for m in mismatches(plan, rows_of(plan, sent), found, NOW)]


def test_a_wrong_count_is_found(project: hr.Project, sent: pl.DataFrame) -> None:
    assert wrong(project, sent, {"departures_5m": "1"}) == ["departures_5m"]


def test_a_missing_field_is_found(project: hr.Project, sent: pl.DataFrame) -> None:
    assert wrong(project, sent, {"avg_delay_1h": None}) == ["avg_delay_1h"]


def test_a_float_may_differ_in_its_last_digits_alone(project: hr.Project, sent: pl.DataFrame) -> None:
    plan = project.plan("airport_traffic")
    mean = float(online(project, plan, sent)["JFK"]["avg_delay_1h"])
    assert wrong(project, sent, {"avg_delay_1h": repr(mean * (1 + 1e-12))}) == []
    assert wrong(project, sent, {"avg_delay_1h": repr(mean * (1 + 1e-6))}) == ["avg_delay_1h"]


def test_an_entity_that_is_not_there_is_found(project: hr.Project, sent: pl.DataFrame) -> None:
    plan = project.plan("airport_traffic")
    found = online(project, plan, sent)
    del found["EWR"]
    assert {m.key for m in mismatches(plan, rows_of(plan, sent), found, NOW)} == {"EWR"}


def test_an_entity_that_nobody_sent_is_found(project: hr.Project, sent: pl.DataFrame) -> None:
    plan = project.plan("airport_traffic")
    found = online(project, plan, sent)
    found["XXX"] = dict(found["EWR"])
    assert {m.key for m in mismatches(plan, rows_of(plan, sent), found, NOW)} == {"XXX"}


def test_an_event_that_was_lost_is_found(project: hr.Project, sent: pl.DataFrame) -> None:
    plan = project.plan("aircraft_usage")
    found = online(project, plan, sent[:-1])
    wrong = mismatches(plan, rows_of(plan, sent), found, NOW)
    assert {m.key for m in wrong} == {sent["tailnum"][-1]}
