"""Repartition records: however they are cut and sent again, each row is received once, and none is missed unseen."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.shuffle import Coverage, decode, encode, receive, split, target_of
from headrace.errors import PositionError

SOURCE = "pay:3"
PARTITION = 3 << 41


def rows(offsets: list[int], clock: bool = False) -> pl.DataFrame:
    return pl.DataFrame(
        {"_key": [f"k{o % 7}" for o in offsets], "_order": [PARTITION + o for o in offsets], "x": offsets},
        schema={"_key": pl.String, "_order": pl.Int64, "x": pl.Int64},
    )


def value(start: int, end: int, wanted: list[int], clock: int | None = None) -> bytes:
    return encode(rows([o for o in wanted if start <= o < end]), Coverage(SOURCE, start, end, clock))


def received(frames: list[pl.DataFrame]) -> list[int]:
    return [x for frame in frames for x in frame["x"].to_list()]


def test_a_record_is_read_as_it_was_written() -> None:
    coverage = Coverage(SOURCE, 5, 9, -17)
    found, frame = decode(encode(rows([6, 8]), coverage))
    assert found == coverage
    assert frame is not None
    assert frame.equals(rows([6, 8]))
    assert decode(encode(None, coverage)) == (coverage, None)
    assert decode(encode(rows([]), coverage)) == (coverage, None)


@given(st.lists(st.integers(0, 60), unique=True), st.integers(1, 9))
def test_a_split_keeps_every_row_in_order_and_each_key_together(offsets: list[int], partitions: int) -> None:
    parts = split(rows(offsets), partitions)
    assert sorted(x for part in parts.values() for x in part["x"].to_list()) == sorted(offsets)
    for target, part in parts.items():
        assert {target_of(key, partitions) for key in part["_key"].to_list()} == {target}
        assert part["x"].to_list() == [o for o in offsets if o in set(part["x"].to_list())]


def test_a_key_goes_where_librdkafka_would_send_it() -> None:
    # CRC-32 modulo, as `consistent` does; fixed for good, since state lies where it says.
    assert [target_of(key, 12) for key in ("", "ann", "müller")] == [0, 3, 5]


@given(
    wanted=st.sets(st.integers(0, 40)),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    resends=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
    data=st.data(),
)
def test_resends_with_other_boundaries_change_nothing(
    wanted: set[int], cuts: list[int], resends: list[tuple[int, int]], data: st.DataObject
) -> None:
    edges = sorted({0, 41, *cuts})
    order = sorted(wanted)
    values: list[bytes] = []
    sent = 0
    for start, end in pairwise(edges):
        values.append(value(start, end, order))
        sent = end
        for a, b in resends:  # a sender that restarted before its commit begins again, somewhere behind
            start_again, end_again = min(a, b), max(a, b)
            if start_again < sent and end_again <= sent and data.draw(st.booleans()):
                values.append(value(start_again, max(end_again, start_again + 1), order))

    positions: dict[str, int] = {SOURCE: 0}
    found: list[int] = []
    while values:  # in flushes of any size, with the positions that the last one made durable
        size = data.draw(st.integers(1, len(values)))
        frames, positions, _ = receive(values[:size], positions, "here")
        found += received(frames)
        values = values[size:]
    assert found == order
    assert positions == {SOURCE: 41}


def test_rows_that_are_missing_are_an_error_and_not_a_silence() -> None:
    with pytest.raises(PositionError, match="rows of pay:3 from offset 5 to 7 are missing"):
        receive([value(0, 5, [1]), value(7, 9, [8])], {}, "here")


def test_a_source_never_seen_begins_where_it_begins() -> None:
    frames, positions, _ = receive([value(100, 105, [101, 104])], {"pay:4": 7}, "here")
    assert received(frames) == [101, 104]
    assert positions == {"pay:4": 7, SOURCE: 105}


def test_the_clock_is_told_rows_or_not_and_is_the_newest() -> None:
    assert receive([value(0, 5, [], clock=70), value(5, 6, [5], clock=50)], {}, "here")[2] == 70
    assert receive([value(0, 5, [1])], {}, "here")[2] is None
    # A resend tells no rows, but its clock is as true as before.
    assert receive([value(0, 5, [1], clock=9)], {SOURCE: 5}, "here") == ([], {SOURCE: 5}, 9)
