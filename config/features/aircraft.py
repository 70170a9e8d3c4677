"""How each aircraft is used. Keyed as the topic is: computed where its events are read."""

from features.flights import aircraft, flights

import headrace as hr

aircraft_usage = hr.FeatureView(
    "aircraft_usage",
    entity=aircraft,
    source=flights,
    where="departed_at is not null",
    columns={
        "miles": "cast(distance as double)",
        "mph": "miles / (air_time / 60)",
        "made_up": "dep_delay - arr_delay",  # minutes won back in the air
    },
    features={
        "last_dest": "dest",
        "last_departure": "departed_at",
        "flights_5m": hr.count(over="5m"),
        "flights_24h": hr.count(over="24h"),
        "miles_24h": hr.sum("distance", over="24h"),
        "avg_delay_7d": hr.avg("dep_delay", over="7d"),
        "worst_delay_30d": hr.max("dep_delay", over="30d"),
        "delay_stddev_30d": hr.stddev("dep_delay", over="30d"),
        "made_up_7d": hr.sum("made_up", over="7d"),
        "top_speed_ever": hr.max("mph", over=hr.lifetime()),
        "flights_ever": hr.count(over=hr.lifetime()),
        "miles_ever": hr.sum("distance", over=hr.lifetime()),
    },
    ttl="90d",
    description="How much an aircraft flies, and how late.",
)
