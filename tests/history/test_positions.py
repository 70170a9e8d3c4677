"""What a commit may follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import FencedError, PositionError, UsageError
from headrace.history.positions import Place, Spans, is_done

A, B = ("pay", 0), ("pay", 1)


def judge(spans: Spans, **stored: int) -> bool:
    stands: dict[Place, int] = {{"a": A, "b": B}[k]: v for k, v in stored.items()}
    return is_done(spans, stands.get)


def test_a_commit_may_be_made_where_the_table_stands_at_its_start() -> None:
    assert judge({A: (10, 20)}, a=10) is False
    assert judge({A: (10, 20), B: (0, 5)}, a=10, b=0) is False


def test_a_partition_never_seen_may_begin_anywhere() -> None:
    assert judge({A: (1_000, 1_020)}) is False
    assert judge({A: (1_000, 1_020), B: (5, 6)}, b=5) is False


def test_a_commit_that_is_there_in_all_partitions_is_done() -> None:
    assert judge({A: (10, 20)}, a=20) is True
    assert judge({A: (10, 20), B: (0, 5)}, a=20, b=5) is True
    assert judge({}) is True


def test_an_empty_span_asks_nothing_but_that_the_table_stands_there() -> None:
    assert judge({A: (10, 10)}, a=10) is True
    assert judge({A: (10, 10), B: (0, 5)}, a=10, b=0) is False
    assert judge({A: (10, 10), B: (0, 5)}, a=10, b=5) is True
    with pytest.raises(FencedError):
        judge({A: (10, 10)}, a=11)


def test_a_commit_that_is_there_in_some_partitions_is_another_writers() -> None:
    with pytest.raises(FencedError, match="another writer went on in history: pay/0 at 20, expected 10"):
        judge({A: (10, 20), B: (0, 5)}, a=20, b=0)


@pytest.mark.parametrize("at", [11, 19, 21])
def test_a_table_that_went_on_from_the_start_belongs_to_another(at: int) -> None:
    with pytest.raises(FencedError, match=f"pay/0 at {at}, expected 10"):
        judge({A: (10, 20)}, a=at)


def test_a_table_that_has_not_got_to_the_start_would_leave_offsets_out() -> None:
    with pytest.raises(PositionError, match="lacks offsets before this commit: pay/0 at 9, expected 10"):
        judge({A: (10, 20), B: (0, 5)}, a=9, b=5)


@pytest.mark.parametrize("span", [(5, 4), (-1, 4)])
def test_a_span_that_ends_before_it_starts_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="are no span"):
        judge({A: span})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=30), st.integers(0, 9))
def test_writers_that_repeat_and_overtake_each_other_keep_every_offset_once(
    tries: list[tuple[int, int]], first: int
) -> None:
    """Each try begins at one of the last positions that its writer saw, and covers so many offsets."""
    at: int | None = None
    seen, kept = [first], []
    for back, size in tries:
        start = seen[-1 - min(back, len(seen) - 1)]
        span = (start, start + size)
        try:
            done = is_done({A: span}, lambda _, at=at: at)
        except FencedError:
            continue
        if not done:
            kept += range(*span)
            at = span[1]
            seen.append(at)
    assert kept == list(range(first, first + len(kept)))
