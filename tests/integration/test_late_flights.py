"""The example of the guide: a training set equals DuckDB's row for row, trains a model, and is what is served."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import duckdb
import polars as pl
import pytest

import headrace as hr
from app.demo.flights import flights
from headrace.offline.metadata import TrainingSet

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400_000_000
EXAMPLE = ROOT / "docs" / "guide" / "late_flights"

WINDOWS = {
    # feature: (keys, size in us or None, step, closed, what DuckDB computes of the flights `e` in it)
    "aircraft_flights_24h": ("tailnum", 24, 1, False, "count(e.t)"),
    "aircraft_miles_7d": ("tailnum", 168, 6, False, "coalesce(sum(e.distance), 0)::double"),
    "aircraft_avg_delay_7d": ("tailnum", 168, 6, False, "avg(e.dep_delay)"),
    "aircraft_last_delay": (
        "tailnum",
        None,
        None,
        False,
        "arg_max(e.dep_delay, (e.t, e.n)) filter (e.dep_delay is not null)",
    ),
    "airport_flights_1h": ("origin", 1, 1 / 60, False, "count(e.t)"),
    "airport_late_share_5h": (
        "origin",
        5,
        1 / 6,
        False,
        "count(*) filter (e.dep_delay > 15) / nullif(count(e.t), 0)",
    ),
    "airport_worst_delay_24h": ("origin", 24, 1, False, "max(e.dep_delay)"),
    "airline_avg_delay_24h": ("carrier", 24, 1, False, "avg(e.dep_delay)"),
    "airline_delay_stddev_24h": ("carrier", 24, 1, False, "stddev_samp(e.dep_delay)"),
    "route_avg_delay_30d": ("origin dest", 720, 24, False, "avg(e.dep_delay)"),
    "route_late_30d": ("origin dest", 24, 24, True, "count(*) filter (e.dep_delay > 15)"),
    "route_flights_ever": ("origin dest", None, None, False, "count(e.t)"),
}


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    return flights()


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train", EXAMPLE / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, year: pl.DataFrame) -> Iterator[Path]:
    """The example's folder, beside a history of the year as `headrace history` keeps it."""
    home = tmp_path_factory.mktemp("late_flights")
    shutil.copytree(EXAMPLE / "config", home / "config")
    kept = year.with_row_index("_offset").with_columns(
        pl.col("_offset").cast(pl.Int64),
        _topic=pl.lit("flights"),
        _partition=pl.lit(0, dtype=pl.Int32),
        _timestamp=pl.col("scheduled_at"),
        _ingested_at=pl.col("scheduled_at"),
        _date=pl.col("scheduled_at").dt.date(),
    )
    kept.write_delta(
        home / "data/history/flights/sources/flights", delta_write_options={"partition_by": ["_date"]}
    )
    return home / "config"


@pytest.fixture(scope="module")
def spring(config: Path, example: ModuleType, year: pl.DataFrame) -> TrainingSet:
    """The flights of six weeks."""
    weeks = year.filter(
        pl.col("scheduled_at").is_between(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 4, 12, tzinfo=UTC))
    )
    with hr.FeatureStore(config) as store:
        return store.training_set(example.spine_of(weeks), "lateness")


@pytest.mark.parametrize("feature", WINDOWS)
def test_a_training_set_equals_duckdb_row_for_row(
    feature: str, spring: TrainingSet, year: pl.DataFrame
) -> None:
    keys, hours, step, closed, value = WINDOWS[feature]
    spine = spring.with_row_index("row").with_columns(asked=pl.col("timestamp").dt.timestamp("us"))
    events = year.with_row_index("n").with_columns(t=pl.col("scheduled_at").dt.timestamp("us"))
    events = events.with_columns(day=pl.col("t") // DAY)
    on = " and ".join(f"s.{key} = e.{key}" for key in keys.split())
    rows = "spine"
    if hours is not None and step is not None:
        us, by = round(hours * 3_600_000_000), round(step * 3_600_000_000)
        end = f"asked - asked % {by}" + ("" if closed else f" + {by}")
        # Each row once for each day that its window touches, so that the join is one on equal days.
        rows = f"""(select *, unnest(range(since // {DAY}, until // {DAY} + 1)) as day
            from (select *, {end} - {us} as since, {end} as until from spine))"""
        on += " and e.day = s.day and e.t >= s.since and e.t < s.until"
    query = f"""select s.row, {value} as v from {rows} s left join events e
        on {on} and e.t <= s.asked group by s.row order by s.row"""
    with duckdb.connect() as db:
        db.register("spine", spine.select("row", "asked", *keys.split()).to_arrow())
        db.register(
            "events", events.select("t", "day", "n", "dep_delay", "distance", *keys.split()).to_arrow()
        )
        db.execute("set threads = 2")
        expected = db.sql(query).pl()["v"]
    got = spring[feature]
    assert got.is_null().equals(expected.is_null())
    apart = (got.cast(pl.Float64) - expected.cast(pl.Float64)).abs()
    assert (apart.max() or 0) <= 1e-9 * (1 + (expected.cast(pl.Float64).abs().max() or 0))
    assert spring.height > 35_000
    assert got.n_unique() > 5


def test_the_example_trains_a_model_that_ranks_late_flights(
    config: Path, example: ModuleType, year: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    summer = year.filter(
        pl.col("scheduled_at").is_between(datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 7, 15, tzinfo=UTC))
    )
    training, score = example.main(config, summer, datetime(2013, 7, 1, tzinfo=UTC))
    assert score > 0.6
    assert "history at version 0" in capsys.readouterr().out
    assert training.height == summer["dep_delay"].count()


def test_what_is_served_is_what_the_model_learned_from(
    spring: TrainingSet, config: Path, year: pl.DataFrame
) -> None:
    row = spring.row(20_000, named=True)
    at = row["timestamp"]
    project = hr.load(config)
    columns = list(project.source("flights").columns)
    for name, days in {"of_aircraft": 400, "of_route": 400, "of_airport": 2, "of_airline": 2}.items():
        view = project.view(name)
        entity = {key: row[key] for key in view.entity.keys}
        seen = year.filter(pl.col("scheduled_at").is_between(at - timedelta(days=days), at), **entity)
        served = hr.testing.run(view, now=at, project="flights", clock=at)
        served.push(seen.select(columns).to_dicts())
        online = {feature: plain(value) for feature, value in served.online(entity).items()}
        assert online == pytest.approx(
            {feature: plain(row[feature]) for feature in view.features}, rel=1e-9
        ), name


def plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value
