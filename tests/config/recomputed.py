"""The default project's features once more, by hand: plain Python over flights as dicts, no SQL and no panes.

Each function gives what an entity's features are as of `t` (microseconds), from its flights in order of
(scheduled departure, arrival order). Windows are spelled out where they are used.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Flight = dict[str, Any]

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
LATENESS = 30 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def rolling(flights: list[Flight], t: int, size: int, step: int) -> list[Flight]:
    end = t // step * step + step
    return [f for f in flights if end - size <= us(f["scheduled_at"]) < end]


def closed(flights: list[Flight], t: int, size: int) -> list[Flight]:
    end = (t - LATENESS) // size * size
    return [f for f in flights if end - size <= us(f["scheduled_at"]) < end]


def alive(flights: list[Flight], t: int, ttl: int) -> list[Flight]:
    """Without the flights before a pause of a ttl, and none at all after one."""
    kept: list[Flight] = []
    for flight in flights:
        if kept and us(flight["scheduled_at"]) - us(kept[-1]["scheduled_at"]) >= ttl:
            kept = []
        kept.append(flight)
    return kept if kept and us(kept[-1]["scheduled_at"]) + ttl > t else []


def known(flights: Iterable[Flight], column: str) -> list[Any]:
    return [f[column] for f in flights if f[column] is not None]


def latest(flights: list[Flight], column: str) -> Any:
    return next(reversed(known(flights, column)), None)


def mean(values: list[int]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def spread(values: list[int]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def share(part: list[Any], whole: list[Any]) -> float | None:
    return len(part) / len(whole) if whole else None


def aircraft_usage(flights: list[Flight], t: int) -> dict[str, Any]:
    flown = alive([f for f in flights if f["departed_at"] is not None], t, 90 * DAY)
    day, week = rolling(flown, t, DAY, HOUR), rolling(flown, t, 7 * DAY, 6 * HOUR)
    month = known(rolling(flown, t, 30 * DAY, DAY), "dep_delay")
    speeds = [float(f["distance"]) / (f["air_time"] / 60) for f in flown if f["air_time"] is not None]
    return {
        "last_dest": latest(flown, "dest"),
        "last_departure": latest(flown, "departed_at"),
        "flights_5m": len(rolling(flown, t, 5 * MINUTE, 10 * SECOND)),
        "flights_24h": len(day),
        "miles_24h": sum(f["distance"] for f in day),
        "avg_delay_7d": mean(known(week, "dep_delay")),
        "worst_delay_30d": max(month, default=None),
        "delay_stddev_30d": spread(month),
        "made_up_7d": sum(f["dep_delay"] - f["arr_delay"] for f in week if f["arr_delay"] is not None),
        "top_speed_ever": max(speeds, default=None),
        "flights_ever": len(flown),
        "miles_ever": sum(f["distance"] for f in flown),
    }


def airport_traffic(flights: list[Flight], t: int) -> dict[str, Any]:
    gone = [f for f in flights if f["departed_at"] is not None]
    day, hour = rolling(flights, t, DAY, HOUR), rolling(flights, t, HOUR, MINUTE)
    cancelled = [f for f in day if f["departed_at"] is None]
    late = [f for f in hour if f["dep_delay"] is not None and f["dep_delay"] >= 15]
    delays = known(hour, "dep_delay")
    newest = flights[-1] if flights else None
    return {
        "last_flight": newest and f"{newest['carrier']}{newest['flight']}",
        "departures_1m": len(closed(gone, t, MINUTE)),
        "departures_5m": len(rolling(gone, t, 5 * MINUTE, 10 * SECOND)),
        "departures_1h": len(rolling(gone, t, HOUR, 5 * MINUTE)),
        "cancelled_24h": len(cancelled),
        "cancelled_share_24h": share(cancelled, day),
        "late_share_1h": share(late, hour),
        "avg_delay_1h": mean(delays),
        "delay_stddev_1h": spread(delays),
        "earliest_1h": min(delays, default=None),
        "worst_delay_7d": max(known(rolling(flights, t, 7 * DAY, 6 * HOUR), "dep_delay"), default=None),
        "departures_ever": len(gone),
    }


def route_punctuality(flights: list[Flight], t: int) -> dict[str, Any]:
    flown = alive([f for f in flights if f["departed_at"] is not None], t, 180 * DAY)
    day, week = rolling(flown, t, DAY, HOUR), rolling(flown, t, 7 * DAY, 6 * HOUR)
    month = rolling(flown, t, 30 * DAY, DAY)
    on_time = [f for f in week if punctuality(f) == "on time"]
    return {
        "last_punctuality": punctuality(flown[-1]) if flown else None,
        "last_aircraft": latest(flown, "tailnum"),
        "first_day": next(iter(known(flown, "service_day")), None),
        "flights_10m": len(closed(flown, t, 10 * MINUTE)),
        "flights_7d": len(week),
        "on_time_share_7d": share(on_time, week),
        "avg_arrival_delay_7d": mean(known(week, "arr_delay")),
        "arrival_delay_stddev_30d": spread(known(month, "arr_delay")),
        "shortest_air_time_ever": min(known(flown, "air_time"), default=None),
        "any_diverted_7d": any(punctuality(f) == "diverted" for f in week),
        "all_departed_on_time_24h": all(f["dep_delay"] < 15 for f in day),
        "miles_ever": sum(f["distance"] for f in flown),
    }


def punctuality(flight: Flight) -> str:
    delay = flight["arr_delay"]
    if delay is None:
        return "diverted"
    return "on time" if delay < 15 else "late" if delay < 60 else "very late"
