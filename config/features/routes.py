"""How each airline does on its way to a destination. A key of two columns; shuffled, too."""

import polars as pl
from features.flights import flights, route

import headrace as hr


def with_punctuality(flights: pl.DataFrame) -> pl.DataFrame:
    """What is said more easily in Polars than in SQL: a delay's class, as the industry counts it."""
    delay = pl.col("arr_delay")
    return flights.with_columns(
        pl.when(delay.is_null())
        .then(pl.lit("diverted"))
        .when(delay < 15)
        .then(pl.lit("on time"))
        .when(delay < 60)
        .then(pl.lit("late"))
        .otherwise(pl.lit("very late"))
        .alias("punctuality")
    )


route_punctuality = hr.FeatureView(
    "route_punctuality",
    entity=route,
    source=flights,
    where="departed_at is not null",
    transform=hr.transform(with_punctuality, adds={"punctuality": hr.String}),
    features={
        "flights_10m": hr.count(over=hr.tumbling("10m", closed=True)),
        "flights_7d": hr.count(over="7d"),
        "on_time_share_7d": hr.ratio(
            hr.count(where="punctuality = 'on time'", over="7d"), hr.count(over="7d")
        ),
        "avg_arrival_delay_7d": hr.avg("arr_delay", over="7d"),
        "last_punctuality": "punctuality",
        "last_aircraft": hr.latest("tailnum"),
        "first_day": hr.first("service_day", over=hr.lifetime()),
        "arrival_delay_stddev_30d": hr.stddev("arr_delay", over="30d"),
        "shortest_air_time_ever": hr.min("air_time", over=hr.lifetime()),
        "any_diverted_7d": hr.any("punctuality = 'diverted'", over="7d"),
        "all_departed_on_time_24h": hr.all("dep_delay < 15", over="24h"),
        "miles_ever": hr.sum("distance", over=hr.lifetime()),
    },
    ttl="180d",
    description="How punctual an airline is on its way to a destination.",
)
