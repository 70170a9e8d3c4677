"""How each airport does. Keyed otherwise than the topic: its events are shuffled."""

from features.flights import airport, flights

import headrace as hr

airport_traffic = hr.FeatureView(
    "airport_traffic",
    entity=airport,
    source=flights,
    columns={
        "cancelled": "departed_at is null",
        "late": "coalesce(dep_delay, 0) >= 15",
        "name": "concat(carrier, cast(flight as string))",
    },
    features={
        "last_flight": "name",
        "departures_1m": hr.count(where="not cancelled", over=hr.tumbling("1m", closed=True)),
        "departures_5m": hr.count(where="not cancelled", over="5m"),
        "departures_1h": hr.count(where="not cancelled", over=hr.hopping("1h", "5m")),
        "cancelled_24h": hr.count_if("cancelled", over="24h"),
        "cancelled_share_24h": hr.ratio(
            hr.count_if("cancelled", over="24h"), hr.count(over="24h"), description="0 to 1"
        ),
        "late_share_1h": hr.ratio(hr.count_if("late", over="1h"), hr.count(over="1h")),
        "avg_delay_1h": hr.avg("dep_delay", over="1h"),
        "delay_stddev_1h": hr.stddev("dep_delay", over="1h"),
        "earliest_1h": hr.min("dep_delay", over="1h"),
        "worst_delay_7d": hr.max("dep_delay", over="7d"),
        "departures_ever": hr.count("departed_at", over=hr.lifetime()),
    },
    description="How busy an airport is, and how late.",
)
