"""How much a flush takes: it follows the entities that the last one changed, and their state."""

from __future__ import annotations

import pytest

from agents.flush_size import LEAST, FlushSize, entities_of

STATE = 10_000_000
SMALL = 400
"""Bytes of state an entity of which a flush may take all the entities that it aims at."""


def test_before_anything_is_known_every_event_may_change_an_entity() -> None:
    assert FlushSize(25_000, 100_000, 0.2, STATE).events == 25_000
    assert FlushSize(25_000, 10_000, 0.2, STATE).events == 10_000


@pytest.mark.parametrize(
    ("events", "entities", "timers", "following"),
    [
        (10_000, 10_000, 0, 25_000),  # an entity each
        (10_000, 5_000, 0, 50_000),  # two events an entity
        (10_000, 10, 0, 100_000),  # a few hot ones: what is set is the most
        (10_000, 30_000, 0, 8_333),  # three views
        (10_000, 12_500, 7_500, 50_000),  # timers are not the events' doing
        (10, 20_000, 12_500, 3_125),  # one odd flush does not make the next ones tiny
        (0, 12_500, 12_500, 25_000),  # timers alone say nothing
    ],
)
def test_the_last_flush_tells(events: int, entities: int, timers: int, following: int) -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.seen(events, entities, timers, SMALL * entities)
    assert size.events == following


def test_many_views_share_larger_flushes() -> None:
    assert [entities_of(views) for views in (0, 1, 4, 5, 100)] == [20_000, 20_000, 20_000, 25_000, 500_000]


def test_timers_are_half_of_a_flush_until_one_was_too_long() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    assert size.due(behind=False) == 12_500
    size.took(30_000, 0.2)
    assert size.due(behind=False) == 12_500


def test_a_worker_that_keeps_up_takes_as_many_timers_as_its_time_allows() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    taken = 12_500
    for _ in range(20):
        size.took(taken, 0.05 + taken * 0.000_03)
        taken = size.due(behind=False)
    assert taken == pytest.approx(5_000, rel=0.01)  # (0.2 - 0.05) / 0.000_03
    assert size.due(behind=True) == 12_500


def test_a_flush_that_waited_for_a_component_does_not_stop_the_timers() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.took(0, 60.0)
    assert size.due(behind=False) == LEAST


def test_flushes_come_twice_as_often_while_one_is_done_within_the_interval() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.took(500, 0.09)
    assert size.interval(0.1) == 0.05
    size.took(5_000, 0.11)
    assert size.interval(0.1) == 0.1


def test_entities_with_much_state_are_taken_until_so_many_bytes_are_read_and_written() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.seen(20_000, 10_000, 0, 10_000 * 4_000)
    assert size.events == 2 * 2_500
    assert size.due(behind=True) == 1_250  # half of them


def test_a_flush_grows_again_where_the_state_is_small_again() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.seen(10_000, 10_000, 0, 10_000 * 4_000)
    size.seen(2_500, 2_500, 0, 2_500 * SMALL)
    assert (size.events, size.due(behind=True)) == (25_000, 12_500)


def test_one_entity_of_huge_state_does_not_make_the_next_flushes_tiny() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.seen(1, 1, 0, 50_000_000)
    assert size.events == LEAST


def test_a_flush_without_state_says_nothing_of_it() -> None:
    size = FlushSize(25_000, 100_000, 0.2, STATE)
    size.seen(10_000, 10_000, 0, 10_000 * 4_000)
    size.seen(10_000, 0, 0, 0)
    assert size.due(behind=True) == 1_250
