"""A whole year of flights through Kafka, S3 and Redis: every feature of the default project equals DuckDB's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from app.demo.flights import COUNT, flights
from tests.integration.deployment import Deployment, on_s3
from tests.integration.history import places_of, stored
from tests.integration.producing import Sender, avro, schema_of
from tests.integration.recomputation import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Window,
    closed,
    differences,
    hopping,
    micros,
)
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration

CONFIG = Path(__file__).resolve().parents[2] / "config"
NOW = datetime(2013, 12, 31, 20, 34, 56, tzinfo=UTC)

WINDOWS: dict[str, Window] = {
    "w5m": hopping(5 * MINUTE, 10 * SECOND),
    "w1h": hopping(HOUR, MINUTE),
    "w24h": hopping(DAY, HOUR),
    "w7d": hopping(7 * DAY, 6 * HOUR),
    "w30d": hopping(30 * DAY, DAY),
    "hop1h": hopping(HOUR, 5 * MINUTE),
    "closed1m": closed(MINUTE, MINUTE, 30 * SECOND),
    "closed10m": closed(10 * MINUTE, 10 * MINUTE, 30 * SECOND),
}
"""Each a column of `timed`: whether a flight is in that window as of NOW."""

AIRCRAFT = """
    select tailnum as key,
        arg_max(dest, place) as last_dest,
        arg_max(departed_at, place) as last_departure,
        count(*) filter (w5m) as flights_5m,
        count(*) filter (w24h) as flights_24h,
        coalesce(sum(distance) filter (w24h), 0)::decimal(17, 1) as miles_24h,
        avg(dep_delay) filter (w7d) as avg_delay_7d,
        max(dep_delay) filter (w30d) as worst_delay_30d,
        stddev_samp(dep_delay) filter (w30d) as delay_stddev_30d,
        coalesce(sum(dep_delay - arr_delay) filter (w7d), 0)::bigint as made_up_7d,
        max(distance::double / (air_time / 60.0::double)) as top_speed_ever,
        count(*) as flights_ever,
        sum(distance)::decimal(17, 1) as miles_ever
    from lasting where departed_at is not null group by key
"""
AIRPORTS = """
    select origin as key,
        arg_max(carrier || flight, place) as last_flight,
        count(departed_at) filter (closed1m) as departures_1m,
        count(departed_at) filter (w5m) as departures_5m,
        count(departed_at) filter (hop1h) as departures_1h,
        count(*) filter (w24h and departed_at is null) as cancelled_24h,
        (count(*) filter (w24h and departed_at is null))::double / nullif(count(*) filter (w24h), 0)
            as cancelled_share_24h,
        (count(*) filter (w1h and coalesce(dep_delay, 0) >= 15))::double / nullif(count(*) filter (w1h), 0)
            as late_share_1h,
        avg(dep_delay) filter (w1h) as avg_delay_1h,
        stddev_samp(dep_delay) filter (w1h) as delay_stddev_1h,
        min(dep_delay) filter (w1h) as earliest_1h,
        max(dep_delay) filter (w7d) as worst_delay_7d,
        count(departed_at) as departures_ever
    from lasting group by key
"""
ROUTES = """
    select carrier || '|' || dest as key,
        arg_max(case when arr_delay is null then 'diverted' when arr_delay < 15 then 'on time'
            when arr_delay < 60 then 'late' else 'very late' end, place) as last_punctuality,
        arg_max(tailnum, place) as last_aircraft,
        arg_min(service_day, place) as first_day,
        count(*) filter (closed10m) as flights_10m,
        count(*) filter (w7d) as flights_7d,
        (count(*) filter (w7d and arr_delay < 15))::double / nullif(count(*) filter (w7d), 0)
            as on_time_share_7d,
        avg(arr_delay) filter (w7d) as avg_arrival_delay_7d,
        stddev_samp(arr_delay) filter (w30d) as arrival_delay_stddev_30d,
        min(air_time) as shortest_air_time_ever,
        coalesce(bool_or(arr_delay is null) filter (w7d), false) as any_diverted_7d,
        coalesce(bool_and(dep_delay < 15) filter (w24h), true) as all_departed_on_time_24h,
        sum(distance)::decimal(17, 1) as miles_ever
    from lasting where departed_at is not null group by key
"""
# What came before the last pause of a ttl does not count, and nothing does if the ttl has passed since.
LASTING = """
    select * from (
        select *, max(case when pause then t end) over (partition by {keys}) as since,
            max(t) over (partition by {keys}) as newest
        from (
            select *, t - lag(t) over (partition by {keys} order by t) >= {ttl} as pause
            from timed where {where}
        )
    ) where (since is null or t >= since) and newest + {ttl} > {now}
"""
VIEWS = {
    "aircraft_usage@1": (AIRCRAFT, "tailnum", 90 * DAY, "departed_at is not null and tailnum is not null"),
    "airport_traffic@1": (AIRPORTS, "origin", 100_000 * DAY, "true"),
    "route_punctuality@1": (ROUTES, "carrier, dest", 180 * DAY, "departed_at is not null"),
}


def recomputed(year: pl.DataFrame, view: str) -> dict[str, dict[str, Any]]:
    """Every entity of a view with its features, from the frame and the places of its rows in Kafka."""
    query, keys, ttl, where = VIEWS[view]
    now = micros(NOW)
    inside = ", ".join(
        f"t >= {start} and t < {end} as {name}"
        for name, (start, end) in ((n, w(now)) for n, w in WINDOWS.items())
    )
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("year", year)
        connection.execute(f"""
            create table timed as select *, {inside},
                row_number() over (order by t, _partition, _offset) as place
            from (select *, epoch_us(scheduled_at) as t from year) where t <= {now}
        """)
        lasting = LASTING.format(keys=keys, ttl=ttl, where=where, now=now)
        connection.execute(f"create table lasting as {lasting}")
        rows = connection.execute(query)
        names = [column[0] for column in rows.description]
        return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in rows.fetchall()}


def test_every_feature_of_every_entity_after_a_year_of_flights(real: RealComponents, tmp_path: Path) -> None:
    uri = real.history_uri("year")
    settings = {
        "HEADRACE_ENGINE__CLOCK": NOW.isoformat(),
        "HEADRACE_HISTORY__EVENTS": "100000",
        **on_s3(uri, real.s3_url),
    }
    with Deployment(tmp_path, real, CONFIG, {"flights": 4}, settings) as deployment:
        schema = schema_of(CONFIG / "schemas" / "flight.avsc")
        topic = deployment.topics["flights"]
        sender = Sender(real.kafka, {"compression.type": "lz4", "queue.buffering.max.messages": 1_000_000})
        worker = deployment.start("worker", "--until-idle", "5s")
        history = deployment.start("history", "--until-idle", "10s")
        year = flights()
        assert year.height == COUNT
        for flight in year.iter_rows(named=True):
            key = flight["tailnum"]
            sender.send(
                topic,
                None if key is None else key.encode(),
                avro(schema, flight),
                {},
                timestamp=micros(flight["scheduled_at"]) // 1000,
            )
        sender.flush()
        placed = year.with_columns(
            _partition=pl.Series([s.partition for s in sender.sent]),
            _offset=pl.Series([s.offset for s in sender.sent]),
        )
        worker.ended_well()
        history.ended_well()
        assert set(deployment.lag().values()) == {0}

        wrong = []
        for view in VIEWS:
            expected = recomputed(placed, view)
            assert len(expected) >= 3
            wrong += [f"{view} {line}" for line in differences(expected, deployment.features(view))]
        assert wrong == []
        assert deployment.dead_letters() == []

        kept = stored(f"{uri}/{deployment.project}/sources/flights", real.storage_options)
        assert places_of(kept) == sorted(s.order for s in sender.sent)
        same = kept.select(year.columns).sort(year.columns).equals(year.sort(year.columns))
        assert same, "history holds other columns than the frame"
