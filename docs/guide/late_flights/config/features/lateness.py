"""What is known of a flight an hour before it should leave: how its aircraft, airport, airline and route have done."""

import headrace as hr

flights = hr.StreamSource(
    "flights",
    schema={
        "scheduled_at": hr.Timestamp,
        "carrier": hr.String,
        "tailnum": hr.String,
        "origin": hr.String,
        "dest": hr.String,
        "dep_delay": hr.Int32,  # minutes; null if cancelled
        "distance": hr.Decimal(7, 1),
    },
    format="json",
    key="tailnum",
    timestamp="scheduled_at",
)

aircraft = hr.Entity("aircraft", keys={"tailnum": hr.String})
airport = hr.Entity("airport", keys={"origin": hr.String})
airline = hr.Entity("airline", keys={"carrier": hr.String})
route = hr.Entity("route", keys={"origin": hr.String, "dest": hr.String})

late = "dep_delay > 15"

of_aircraft = hr.FeatureView(
    "of_aircraft",
    entity=aircraft,
    source=flights,
    features={
        "aircraft_flights_24h": hr.count(over="24h"),
        "aircraft_miles_7d": hr.sum("distance", over="7d"),
        "aircraft_avg_delay_7d": hr.avg("dep_delay", over="7d"),
        "aircraft_last_delay": "dep_delay",
    },
)
of_airport = hr.FeatureView(
    "of_airport",
    entity=airport,
    source=flights,
    features={
        "airport_flights_1h": hr.count(over="1h"),
        "airport_late_share_5h": hr.ratio(hr.count_if(late, over="5h"), hr.count(over="5h")),
        "airport_worst_delay_24h": hr.max("dep_delay", over="24h"),
    },
)
of_airline = hr.FeatureView(
    "of_airline",
    entity=airline,
    source=flights,
    features={
        "airline_avg_delay_24h": hr.avg("dep_delay", over="24h"),
        "airline_delay_stddev_24h": hr.stddev("dep_delay", over="24h"),
    },
)
of_route = hr.FeatureView(
    "of_route",
    entity=route,
    source=flights,
    features={
        "route_avg_delay_30d": hr.avg("dep_delay", over="30d"),
        "route_late_30d": hr.count_if(late, over=hr.tumbling("1d", closed=True)),
        "route_flights_ever": hr.count(over=hr.lifetime()),
    },
)

lateness = hr.FeatureService("lateness", features=[of_aircraft, of_airport, of_airline, of_route])
