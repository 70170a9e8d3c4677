from __future__ import annotations

from itertools import islice, pairwise

import pytest

from app.demo.pace import BURST_EVERY, BURST_FACTOR, BURST_SECONDS, Pace, bursts


def test_before_the_first_burst_the_rate_is_steady() -> None:
    first = next(bursts(seed=1))
    pace = Pace(300, seed=1)
    assert pace.due(0) == 0
    assert pace.due(first.start / 2) == int(300 * first.start / 2)


def test_a_burst_is_five_times_as_many() -> None:
    first = next(bursts(seed=4))
    pace = Pace(1_000, seed=4)
    before, after = pace.due(first.start), pace.due(first.end)
    assert after - before == pytest.approx(1_000 * BURST_SECONDS * BURST_FACTOR, abs=1)


def test_it_says_whether_a_burst_lasts() -> None:
    first, second = islice(bursts(seed=2), 2)
    pace = Pace(10, seed=2)
    told = []
    for at in (first.start - 0.1, first.start, first.end - 0.1, first.end, second.start):
        pace.due(at)
        told.append(pace.bursting(at))
    assert told == [False, True, True, False, True]


def test_what_is_due_never_falls_and_looks_may_be_rare() -> None:
    often, rarely = Pace(77, seed=3), Pace(77, seed=3)
    due = [often.due(at / 10) for at in range(2_000)]
    assert all(a <= b for a, b in pairwise(due))
    assert rarely.due(199.9) == due[-1]


def test_bursts_are_apart_and_follow_from_the_seed() -> None:
    found = list(islice(bursts(seed=5), 50))
    assert found == list(islice(bursts(seed=5), 50))
    assert found != list(islice(bursts(seed=6), 50))
    assert all(b.start - a.end >= BURST_EVERY / 2 for a, b in pairwise(found))
