"""Session windows: how they form, merge, end, and leave the state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import headrace as hr
from headrace import testing
from headrace.durations import MINUTE, SECOND, format_instant, parse_instant
from headrace.plan import plan_view
from tests.panes.harness import Engine
from tests.panes.random_views import SCHEMA, frame

NOON = parse_instant("2026-01-01T12:00:00Z")


def view(*, lateness: str = "0s", ttl: str | None = None, **features: Any) -> hr.FeatureView:
    source = hr.StreamSource("s", schema=SCHEMA, format="json", key="e", timestamp="t", lateness=lateness)
    return hr.FeatureView(
        "v", entity=hr.Entity("e", keys={"e": hr.Int64}), source=source, features=features, ttl=ttl
    )


class Story:
    """One entity's events, told in minutes after noon: `push` brings them at `now`, `value` reads the feature."""

    def __init__(self, **given: Any) -> None:
        self.run = testing.run(view(**given), now=format_instant(NOON))

    def push(self, *minutes: float, i: int = 1) -> None:
        events = [{"e": 1, "t": NOON + int(m * MINUTE), "i": i} for m in minutes]
        self.run.push([{**dict.fromkeys(SCHEMA), **e, "f": 1.0} for e in events])

    def at(self, minute: float) -> None:
        self.run.advance(timedelta(microseconds=NOON + int(minute * MINUTE) - self.run.now))

    @property
    def value(self) -> object:
        return self.run.online({"e": 1})["f"]


def test_a_session_goes_on_while_events_are_less_than_a_gap_apart() -> None:
    story = Story(f=hr.count(over=hr.session("10m")))
    for minute in (0, 9, 18):
        story.at(minute)
        story.push(minute)
    assert story.value == 3
    story.at(28)  # ten minutes after the last event is another session
    story.push(28)
    assert story.value == 1


def test_a_session_is_over_a_gap_after_its_last_event_though_nothing_arrives() -> None:
    story = Story(f=hr.count(over=hr.session("10m")))
    story.push(0)
    story.at(9.999)
    assert story.value == 1
    story.at(10)
    assert story.value == 0
    assert story.run.redis() == {}


def test_a_late_event_makes_one_session_of_two() -> None:
    story = Story(lateness="10m", f=hr.sum("i", over=hr.session("10m")))
    story.push(0, i=1)
    story.at(15)
    story.push(15, i=10)
    assert story.value == 10
    story.push(7, i=100)
    assert story.value == 111


def test_a_closed_session_is_shown_once_nothing_can_join_it_and_until_the_next_is_closed() -> None:
    story = Story(lateness="5m", f=hr.count(over=hr.session("10m", closed=True)))
    story.push(0, 1)
    story.at(15.999)
    assert story.value == 0
    story.at(16)
    assert story.value == 2
    story.at(600)
    story.push(600)
    assert story.value == 2
    story.at(615)
    assert story.value == 1


def test_a_closed_session_that_a_late_event_opens_again_gives_way_to_the_one_before() -> None:
    story = Story(f=hr.sum("i", over=hr.session("10m", closed=True)))
    story.push(0, i=1)
    story.at(30)
    story.push(30, i=10)
    story.at(41)
    assert story.value == 10
    story.push(35, i=100)  # the session of 30 goes on until 45
    assert story.value == 1
    assert story.run.offline()["f"].to_list() == [1]
    story.at(45)
    assert story.value == 110


def test_an_aggregate_selects_inside_sessions_that_all_events_form() -> None:
    story = Story(f=hr.count(where="i > 1", over=hr.session("10m")))
    story.push(0, i=2)
    story.at(18)
    story.push(9, i=1)
    story.push(18, i=2)
    assert story.value == 2


def test_an_event_too_late_for_its_own_record_does_not_count_for_sessions_alone() -> None:
    story = Story(lateness="5m", f=hr.count(over=hr.session("10m")), n=hr.count(over=hr.lifetime()))
    story.at(20)
    story.push(4.999, 12)  # gap and lateness before the record are at 5
    assert story.run.online({"e": 1}) == {"f": 1, "n": 2}
    assert story.run.offline()["f"].to_list() == [1]
    story.push(5)
    assert story.value == 2


def test_sessions_of_several_gaps_stand_side_by_side() -> None:
    run = Story(f=hr.count(over=hr.session("5m")), g=hr.count(over=hr.session("20m")))
    for minute in (0, 6, 12):
        run.at(minute)
        run.push(minute)
    assert run.run.online({"e": 1}) == {"f": 1, "g": 3}


def test_a_session_may_begin_before_1970() -> None:
    plan = plan_view(view(f=hr.count(over=hr.session("10s"))))
    engine = Engine(plan, "event")
    engine.flush(engine.accept(frame([event(-12), event(-4), event(3)], 0), 0))
    assert engine.online["0"]["f"] == 3


def event(at: int, e: int = 0, recorded: int | None = None) -> dict[str, Any]:
    now = (at if recorded is None else recorded) * SECOND
    return {**dict.fromkeys(SCHEMA), "e": e, "t": at * SECOND, "now": now, "i": 1}


def test_a_backlog_read_under_the_walls_clock_keeps_sessions_whole_from_flush_to_flush() -> None:
    plan = plan_view(view(f=hr.count(over=hr.session("10s", closed=True))))
    engine, today = Engine(plan, "wall"), 10**6 * SECOND
    for i, at in enumerate(range(0, 100, 5)):  # one a flush, all of them long before the clock
        engine.flush(engine.accept(frame([event(at)], i), today))
        engine.restart()
    assert engine.online["0"]["f"] == 20


def test_a_session_with_which_nothing_can_merge_leaves_the_state() -> None:
    plan = plan_view(view(f=hr.count(over=hr.session("10s"))))
    engine = Engine(plan, "event")
    engine.flush(engine.accept(frame([event(0), event(15)], 0), 0))
    both = len(engine.state[0, b"h0"])
    engine.flush(engine.accept(frame([event(30)], 2), 0))
    assert len(engine.state[0, b"h0"]) == both  # the first went, the third came
    engine.flush(engine.accept(frame([event(60, e=2)], 3), 0))
    assert (0, b"h0") not in engine.state


@pytest.mark.parametrize("late", [11, 19])
def test_a_late_event_finds_a_session_that_is_over_and_joins_it_to_the_newest(late: int) -> None:
    plan = plan_view(view(f=hr.count(over=hr.session("20s"))))
    engine = Engine(plan, "event")
    for i, at in enumerate([0, 30]):
        engine.flush(engine.accept(frame([event(at)], i), 0))
    assert engine.online["0"]["f"] == 1
    engine.flush(engine.accept(frame([event(late, recorded=30)], 2), 0))
    assert engine.online["0"]["f"] == 3


def test_a_ttl_ends_sessions_with_everything_else() -> None:
    story = Story(ttl="5m", f=hr.count(over=hr.session("10m")))
    story.push(0)
    story.at(6)
    story.push(6)
    assert story.value == 1
