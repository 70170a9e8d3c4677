from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from app.demo.flights import COUNT, EVENT_COLUMNS, events_of, flights, table


@pytest.fixture(scope="module")
def published() -> pl.DataFrame:
    return table()


@pytest.fixture(scope="module")
def year(published: pl.DataFrame) -> pl.DataFrame:
    return events_of(published)


def test_every_flight_of_the_year_is_an_event(year: pl.DataFrame) -> None:
    assert len(year) == COUNT
    assert dict(year.schema) == EVENT_COLUMNS
    assert year["scheduled_at"].is_sorted()


def test_the_first_flight_left_at_a_quarter_past_five_in_new_york(year: pl.DataFrame) -> None:
    assert year.row(0, named=True) == {
        "scheduled_at": datetime(2013, 1, 1, 10, 15, tzinfo=UTC),
        "service_day": datetime(2013, 1, 1).date(),
        "carrier": "UA",
        "flight": 1545,
        "tailnum": "N14228",
        "origin": "EWR",
        "dest": "IAH",
        "departed_at": datetime(2013, 1, 1, 10, 17, tzinfo=UTC),
        "dep_delay": 2,
        "arr_delay": 11,
        "air_time": 227,
        "distance": Decimal("1400.0"),
    }


def test_the_instants_are_those_that_the_table_has_by_the_hour(published: pl.DataFrame) -> None:
    ours = events_of(published.with_columns(flight=pl.int_range(pl.len()))).sort("flight")
    theirs = published["time_hour"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    assert ours["scheduled_at"].dt.truncate("1h").equals(theirs)


def test_the_holes_of_the_data_stay_holes(year: pl.DataFrame) -> None:
    holes = {name: count for name, (count,) in year.null_count().to_dict(as_series=False).items() if count}
    assert holes == {
        "tailnum": 2_512,
        "departed_at": 8_255,
        "dep_delay": 8_255,
        "arr_delay": 9_430,
        "air_time": 9_430,
    }


def test_the_departure_is_what_new_york_s_clocks_showed(published: pl.DataFrame) -> None:
    ours = events_of(published.with_columns(flight=pl.int_range(pl.len()))).sort("flight")
    local = ours["departed_at"].dt.convert_time_zone("America/New_York")
    clock = local.dt.hour().cast(pl.Int64) * 100 + local.dt.minute()
    other = (clock != published["dep_time"] % 2400).fill_null(False)
    changed = {datetime(2013, 3, 10).date(), datetime(2013, 11, 3).date()}
    assert set(ours.filter(other)["service_day"].to_list()) <= changed | {datetime(2013, 3, 9).date()}


def test_a_part_of_the_year_can_be_asked_for(year: pl.DataFrame) -> None:
    assert flights(3).equals(year.head(3))
