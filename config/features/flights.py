"""Flights out of New York, 2013: the stream, and what it tells of."""

import headrace as hr

aircraft = hr.Entity("aircraft", keys={"tailnum": hr.String}, description="An aeroplane, by its tail number.")
airport = hr.Entity("airport", keys={"origin": hr.String}, description="An airport that flights leave from.")
route = hr.Entity(
    "route", keys={"carrier": hr.String, "dest": hr.String}, description="An airline to one destination."
)

flights = hr.StreamSource(
    "flights",
    topics=["flights"],
    schema="schemas/flight.avsc",
    key="tailnum",
    timestamp="scheduled_at",
    lateness="30s",
    max_ahead="1h",
    start="earliest",
    description="One event a flight, cancelled ones included.",
)
