"""The bytes of many records, told from some of them."""

from __future__ import annotations

import pytest

from tables.sizes import SAMPLE, nbytes


def test_few_records_are_counted_exactly() -> None:
    assert nbytes([]) == 0
    assert nbytes([b"abc", None, b"", b"de"]) == 5
    assert nbytes({b"abc": b"1", b"d": None}) == 4


@pytest.mark.parametrize("count", [SAMPLE, 11 * SAMPLE - 1, 11 * SAMPLE, 12 * SAMPLE + 3, 40_000])
def test_of_records_of_one_size_the_sum_is_exact_however_many(count: int) -> None:
    assert nbytes([b"12345678"] * count) == 8 * count


@pytest.mark.parametrize("group", range(1, 11))
def test_of_groups_of_one_large_record_and_small_ones_the_sum_is_near(group: int) -> None:
    records = [b"x" * (40 if i % group else 1_000) for i in range(20_000)]
    assert nbytes(records) == pytest.approx(sum(map(len, records)), rel=0.05)
