"""Along each axis only what is asked for varies, and what fills the state is not measured."""

from __future__ import annotations

from bench.events import columns
from bench.growth import table
from bench.growth_axes import AXES, STEP_EVENTS

HOUR = 3_600_000  # ms


def test_an_axis_is_a_row_beside_w1_in_the_order_of_the_axes() -> None:
    point = {"label": "10", "us": 2.345}
    found = table(
        {
            "width": {"base": {"label": "W1", "problem": "too busy"}, "points": [point]},
            "views": {
                "base": {"label": "W1", "us": 1.5},
                "points": [point, {"label": "30", "problem": "no"}],
            },
        }
    )
    assert found[2:4] == [
        "| views of four features on one source | 1.50 | 10: 2.35, 30: none |",
        "| width of an event | none | 10: 2.35 |",
    ]


def test_a_window_is_full_before_it_is_measured() -> None:
    for point in AXES["length"].points:
        before = point.share[0] * point.events
        assert round(before * point.shape.apart) == point.x * HOUR, point.label
        assert (point.events - before) % STEP_EVENTS == 0, "measured are whole steps"


def test_every_entity_has_had_an_event_before_it_is_measured() -> None:
    for point in AXES["entities"].points:
        assert point.share[0] * point.events >= point.shape.users == point.x


def test_events_may_lie_further_apart() -> None:
    assert columns(11, 5, apart=HOUR).at[10] - columns(11, 5).at[10] == 10 * HOUR - 12
