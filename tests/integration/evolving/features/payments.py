"""Payments whose schema is a registry's: the newest version of its subject."""

import headrace as hr

user = hr.Entity("user", keys={"user": hr.String})
payments = hr.StreamSource(
    "payments",
    topics=["payments"],
    schema=hr.subject("payments-value"),
    key="user",
    timestamp="at",
    start="earliest",
)
