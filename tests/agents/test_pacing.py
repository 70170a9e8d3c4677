"""A sweep at a pace: so many entities a second, whatever the flushes' rhythm; said in the marker."""

from __future__ import annotations

from agents.task import Pacer
from tables.marker import Marker

SECOND = 1_000_000


def test_a_pace_lets_so_many_through_in_a_second_in_flushes_of_any_length() -> None:
    for interval in (7_000, 100_000, 3_000_000):
        pacer, passed, at = Pacer(1_000), 0, 0
        while at <= 30 * SECOND:
            passed += pacer.let(20_000, at)
            at += interval
        assert 29_000 <= passed <= 30_000


def test_what_is_not_used_is_not_saved_up() -> None:
    pacer = Pacer(100)
    assert pacer.let(10, 0) == 0
    assert pacer.let(10, SECOND) == 10
    assert pacer.let(500, 2 * SECOND) == 100


def test_a_clock_that_is_set_back_begins_anew() -> None:
    pacer = Pacer(100, last=10 * SECOND)
    assert pacer.let(500, 5 * SECOND) == 0
    assert pacer.let(500, 6 * SECOND) == 100


def test_a_marker_without_a_pace_is_what_it_was_before_there_was_one() -> None:
    assert b"pace" not in Marker("f").encode()
    assert Marker.decode(Marker("f", sweep=True, pace=50).encode()) == Marker("f", sweep=True, pace=50)
    assert Marker.decode(Marker("f").encode()) == Marker("f")
