"""Records of timers: what is packed comes out, by instant, in the order of time."""

from __future__ import annotations

from itertools import count

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.panes import NO_TIMERS
from tables.timers import MOST, count_of, instant_key, instant_of, records, timers

given_timers = st.lists(
    st.tuples(st.integers(-(1 << 62), 1 << 62) | st.integers(-3, 3), st.binary(max_size=9))
)


def packed(given: list[tuple[int, bytes]]) -> tuple[list[bytes], list[bytes]]:
    numbers = count()
    frame = pl.DataFrame(given, NO_TIMERS.schema, orient="row")
    return records(b"p", frame, lambda: next(numbers).to_bytes(8, "big"))


@given(given_timers)
def test_what_is_packed_comes_out_in_the_order_of_time(given: list[tuple[int, bytes]]) -> None:
    keys, values = packed(given)
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    out = timers(keys, values).rows()
    assert out == sorted(given, key=lambda timer: timer[0])
    assert sum(map(count_of, values)) == len(given)


def test_a_record_holds_one_instant_and_not_too_many() -> None:
    keys, values = packed([(i % 2, b"%d" % i) for i in range(3 * MOST)])
    assert [instant_of(key) for key in keys] == [0, 0, 1, 1]
    assert [count_of(value) for value in values] == [MOST, MOST // 2] * 2


def test_instants_before_the_epoch_sort_first() -> None:
    instants = [-(1 << 63), -7, -1, 0, 5, 1 << 50, (1 << 63) - 1]
    assert sorted(map(instant_key, instants)) == list(map(instant_key, instants))
