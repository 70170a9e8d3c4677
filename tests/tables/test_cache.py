"""The cache of records: two generations, and never a wrong value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tables.cache import RecordCache

P = b"a place"
KEYS = st.binary(min_size=1, max_size=2)


def test_what_is_not_known_is_missing_and_what_is_known_to_be_absent_is_not() -> None:
    cache = RecordCache(1 << 20)
    cache.put_many(P, {b"a": b"1", b"b": None})
    missing: list[int] = []
    assert cache.get_many(P, [b"c", b"a", b"b"], missing) == [None, b"1", None]
    assert missing == [0]


def test_a_record_that_is_read_again_and_again_outlives_those_that_are_not() -> None:
    cache = RecordCache(4_000)
    cache.put_many(P, {b"hot": b"1"})
    for i in range(200):
        cache.put_many(P, {b"cold%d" % i: b"x" * 20})
        assert cache.get_many(P, [b"hot"], []) == [b"1"]
    missing: list[int] = []
    cache.get_many(P, [b"cold0", b"hot"], missing)
    assert missing == [0]


def test_the_records_of_one_partition_can_be_forgotten() -> None:
    cache = RecordCache(1 << 20)
    cache.put_many(b"p1", {b"a": b"1"})
    cache.put_many(b"p2", {b"a": b"2"})
    cache.discard(b"p1")
    missing: list[int] = []
    assert cache.get_many(b"p1", [b"a"], missing) == [None]
    assert missing == [0]
    assert cache.get_many(b"p2", [b"a"], []) == [b"2"]


@given(
    st.lists(st.dictionaries(KEYS, st.none() | st.binary(max_size=4), max_size=5)),
    st.integers(1, 2_000),
)
def test_a_known_record_is_always_the_last_one_put(
    puts: list[dict[bytes, bytes | None]], budget: int
) -> None:
    cache, truth = RecordCache(budget), {}
    for items in puts:
        cache.put_many(P, items)
        truth.update(items)
        missing: list[int] = []
        found = cache.get_many(P, list(truth), missing)
        for i, (key, value) in enumerate(zip(truth, found, strict=True)):
            assert i in missing or value == truth[key]
