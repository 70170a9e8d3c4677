"""The compiled passes give what NumPy and plain Python give, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.aggregates.algebra import Algebra, Rows
from headrace.aggregates.extremes import largest_of, smallest_of
from headrace.aggregates.functions import COUNT
from headrace.aggregates.moments import Moments
from headrace.aggregates.newest import latest_of
from headrace.aggregates.sums import sum_of
from headrace.panes import warm
from headrace.panes.compiled import KERNELS
from headrace.panes.folding import folded
from headrace.panes.grouping import _sorted
from headrace.panes.grouping_kernel import PLACE
from headrace.panes.stacks import Shape, Stack
from headrace.types import Decimal, Float64, Int64, String

NUMBERS = [0.0, -0.0, 0.1, -7.3, 1e300, -1e300, 1e-300, float("inf"), None]
COLUMNS: list[tuple[Algebra, pl.DataType]] = [
    (COUNT, pl.Float64()),
    (sum_of(Float64), pl.Float64()),
    (smallest_of(Float64), pl.Float64()),
    (largest_of(Int64), pl.Int64()),
    (sum_of(Int64), pl.Int64()),
    (sum_of(Decimal(30, 2)), pl.Decimal(30, 2)),
    (Moments(Float64), pl.Float64()),
    (latest_of(Float64), pl.Float64()),
    (smallest_of(String), pl.String()),
]


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    warm()
    assert all(kernel.worth(1) is not None for kernel in KERNELS)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000), longest=st.sampled_from([1, 2, 3, 9, 10, 20, 140, 700]), wide=st.booleans()
)
def test_a_fold_has_the_bits_of_the_algebras_merges(seed: int, longest: int, wide: bool) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, longest + 1, int(rng.integers(1, 12)))
    n = int(sizes.sum())
    columns = COLUMNS * 4 if wide else COLUMNS  # more than 32 slots have two words of has bits
    stack = _stack(rng, columns, n)
    order, starts = rng.permutation(n), np.cumsum(sizes) - sizes
    made = folded(stack, order, starts)
    taken = stack.take(order)
    for i, (algebra, _) in enumerate(columns):
        expected, got = algebra.merge(taken.slot(i), starts), made.slot(i)
        assert got.has.tolist() == expected.has.tolist()
        for a, b in zip(got.words, expected.words, strict=True):
            assert a.view("i8").tolist() == b.view("i8").tolist(), algebra
        if expected.blob is not None:
            assert got.blob is not None
            assert got.blob.to_list() == expected.blob.to_list()


def _stack(rng: Any, columns: list[tuple[Algebra, pl.DataType]], n: int) -> Stack:
    rows = Rows(rng.integers(0, 50, n), np.arange(n))
    parts = []
    for algebra, type in columns:
        floats = pl.Series([NUMBERS[i] for i in rng.integers(0, len(NUMBERS), n)], dtype=pl.Float64)
        floats = floats.zip_with(pl.Series(rng.random(n) < 0.3), pl.Series(rng.normal(size=n) * 1e6))
        finite = floats.replace([float("inf"), 1e300, -1e300], [5.0, 2e9, -2e9])
        values = (floats if type == pl.Float64() else finite.cast(pl.Int64)).cast(type)
        parts.append(algebra.of_rows(values, rows))
    return Shape(tuple(a for a, _ in columns)).stack(parts)


@given(data=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_rows_are_placed_as_a_sort_does(data: list[tuple[int, int, int]]) -> None:
    entity, time, order = (np.array(column, "i8") for column in zip(*data, strict=True))
    kernel, at = PLACE.worth(1), np.empty(len(entity), "i8")
    assert kernel is not None
    if kernel(entity, time, order, 5, at) >= 0:
        assert at.tolist() == np.lexsort((order, time, entity)).tolist()
    assert _sorted(entity, time, order, 5).tolist() == np.lexsort((order, time, entity)).tolist()


def test_rows_of_one_entity_in_falling_order_are_sorted_otherwise() -> None:
    n = 5_000
    entity, time, order = np.zeros(n, "i8"), np.arange(n)[::-1].copy(), np.arange(n)
    kernel = PLACE.worth(n)
    assert kernel is not None
    assert kernel(entity, time, order, 1, np.empty(n, "i8")) == -1
    assert _sorted(entity, time, order, 1).tolist() == time.tolist()
