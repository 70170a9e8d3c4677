"""A fixed clock shows the values as of one instant, whatever the flushes that the events came in."""

from __future__ import annotations

import headrace as hr
from headrace.testing import run

NOW = "2026-03-01T00:00:00Z"
DAYS = ["2026-01-01T00:00:00Z", "2026-01-20T00:00:00Z", "2026-02-10T00:00:00Z"]
SOURCE = hr.StreamSource(
    "visits", schema={"user": hr.String, "at": hr.Timestamp}, format="json", key="user", timestamp="at"
)
VIEW = hr.FeatureView(
    "visiting",
    entity=hr.Entity("user", keys={"user": hr.String}),
    source=SOURCE,
    features={"visits": hr.count(over=hr.lifetime())},
    ttl="25d",
)


def test_an_event_long_before_a_fixed_clock_is_continued_by_the_next_flush() -> None:
    test = run(VIEW, now=NOW, clock=NOW)
    for day in DAYS:
        test.push([{"user": "ann", "at": day}])
    assert test.online({"user": "ann"}) == {"visits": 3}
    assert test.offline()["visits"].to_list() == [3]


def test_an_entity_whose_ttl_is_over_at_a_fixed_clock_is_not_shown() -> None:
    test = run(VIEW, now=NOW, clock=NOW)
    test.push([{"user": "ann", "at": day} for day in DAYS[:2]])
    assert test.redis() == {}
