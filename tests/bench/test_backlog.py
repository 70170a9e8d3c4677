"""What looks at a worker say of its backlog."""

from __future__ import annotations

import pytest

from bench.backlog import LARGE, LONG, Look, asked, worked

LOOKS = [
    Look(0.0, 0, 100.0, 0.0),
    Look(1.0, 100_000, 300.0, 10.0),
    Look(2.0, 200_000, 310.0, 200.0),
    Look(3.0, 300_000, 312.0, 320.0),
    Look(5.0, 400_000, 314.0, 400.0),
]


def test_memory_counts_after_the_first_fifth() -> None:
    found = worked(LOOKS)
    assert (found.least, found.greatest) == (300.0, 314.0)
    assert found.slope == pytest.approx(44.0)


def test_the_rate_counts_from_the_first_event_that_was_seen() -> None:
    assert worked(LOOKS).rate == 75_000


def test_the_rate_beyond_memory_is_that_of_intervals_in_which_the_state_was_larger() -> None:
    assert worked(LOOKS).beyond == (50_000, 0.25)
    assert worked([*LOOKS[:3], Look(3.0, 300_000, 312.0, 300.0)]).beyond is None


def test_a_row_says_whether_its_target_was_reached() -> None:
    assert asked(LONG, worked(LOOKS)) == "flat memory: reached, +14 MB"
    assert asked(LARGE, worked(LOOKS)) == "60,000/s with state larger than memory: not reached"


def test_too_few_looks_are_an_error() -> None:
    with pytest.raises(ValueError, match="take more events"):
        worked(LOOKS[:1] + LOOKS[-1:])
