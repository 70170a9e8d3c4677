"""Sketches: exact while values are few, within the stated error from then on, however they are grouped."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest

from headrace.aggregates import quantiles
from headrace.aggregates.algebra import Rows
from headrace.aggregates.distinct import Distinct
from headrace.aggregates.functions import compile_function
from headrace.aggregates.hashing import hash_texts, hash_words
from headrace.aggregates.partials import Partials
from headrace.types import DataType, Float64, Int64, String


def merged(function: str, values: pl.Series, type: DataType, panes: int, **options: Any) -> Partials:
    """The partial of all values, by way of as many panes, and those by way of two summaries."""
    algebra = compile_function(function, type, options).algebras[0]
    n = len(values)
    parts = algebra.of_rows(values, Rows(np.arange(n), np.arange(n)))
    parts = algebra.merge(parts, np.arange(panes) * n // panes)
    if panes > 2:
        parts = algebra.merge(parts, np.array([0, panes // 3]))
    return algebra.merge(parts, np.array([0]))


def show(function: str, values: pl.Series, type: DataType, panes: int = 1, **options: Any) -> Any:
    finish = compile_function(function, type, options).finish
    return finish([merged(function, values, type, panes, **options)])[0].to_list()[0]


@pytest.mark.parametrize("panes", [1, 7, 300])
@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 0.999, 1.0])
def test_a_quantile_of_many_values_has_about_the_asked_rank(q: float, panes: int) -> None:
    values = np.random.default_rng(7).lognormal(0, 3, 40_000)
    got = show("quantile", pl.Series(values), Float64, panes, q=q)
    assert abs((values <= got).mean() - q) <= 0.0265  # twice the stated error, so that chance never fails it


def test_a_quantile_of_up_to_a_thousand_values_is_one_of_them_by_nearest_rank() -> None:
    values = pl.Series(np.random.default_rng(1).permutation(1000) + 1)
    for q in (0.001, 0.07, 0.5, 0.57, 0.999, 1.0):
        assert show("quantile", values, Int64, 9, q=q) == round(q * 1000)
    assert show("median", pl.Series([4.0, 1.0, None, 3.0, 2.0]), Float64) == 2.0


def test_nan_is_above_all_numbers_in_a_sketch_too() -> None:
    values = pl.Series([1.0, 2.0, math.inf] * 1000 + [math.nan] * 1000)
    assert show("quantile", values, Float64, 5, q=0.2) == 1.0
    assert show("quantile", values, Float64, 5, q=0.7) == math.inf
    assert math.isnan(show("quantile", values, Float64, 5, q=0.8))
    assert math.isnan(show("median", pl.Series([math.nan]), Float64))


def test_the_error_of_quantiles_is_the_stated_one() -> None:
    sketch = quantiles.kll_doubles_sketch(quantiles.K)
    assert sketch.normalized_rank_error(False) < 0.0134


@pytest.mark.parametrize("type", [Int64, Float64, String])
def test_up_to_a_thousand_different_values_are_counted_exactly(type: DataType) -> None:
    values = pl.Series([*range(1000), *range(500), None]).cast(type.polars)
    assert show("count_distinct", values, type, 11) == 1000


@pytest.mark.parametrize("type", [Int64, String])
@pytest.mark.parametrize("n", [1001, 5000, 60_000])
def test_more_are_counted_within_five_percent(type: DataType, n: int) -> None:
    values = pl.Series(range(n)).cast(type.polars)
    assert show("count_distinct", values, type, 13) == pytest.approx(n, rel=0.05)
    assert show("count_distinct", values, type, 13) > 1000


def test_the_standard_error_of_distinct_counts_is_the_stated_one() -> None:
    errors = []
    for i in range(30):
        values = pl.Series(range(i * 100_000, i * 100_000 + 8000))
        errors.append(show("count_distinct", values, Int64, 3) / 8000 - 1)
    assert np.std(errors) < 1.5 * 1.04 / 64
    assert abs(np.mean(errors)) < 3 * 1.04 / 64 / math.sqrt(30)


def test_a_sketch_of_distinct_values_is_the_same_in_any_order_and_grouping() -> None:
    values = pl.Series(np.random.default_rng(3).integers(0, 9000, 20_000))
    one, many = (
        merged("count_distinct", values, Int64, 1),
        merged("count_distinct", values.reverse(), Int64, 70),
    )
    assert one.words[0].tolist() == many.words[0].tolist() == [-1]
    assert one.blob is not None
    assert many.blob is not None
    assert one.blob.equals(many.blob)


def test_groups_with_sets_and_with_sketches_are_merged_side_by_side() -> None:
    algebra = Distinct(Int64)
    values = pl.Series([*range(3), *range(2000), None, 5])
    rows = Rows(np.arange(len(values)), np.arange(len(values)))
    parts = algebra.merge(algebra.of_rows(values, rows), np.array([0, 3, 2003, 2004]))
    again = algebra.merge(parts, np.array([0, 1, 2]))
    counts = compile_function("count_distinct", Int64, {}).finish([again])[0].to_list()
    assert (counts[0], counts[2]) == (3, 1)
    assert counts[1] == pytest.approx(2000, rel=0.05)


def test_the_most_frequent_of_very_many_values_are_found() -> None:
    values = np.random.default_rng(5).zipf(1.3, 100_000)
    exact = Counter(values.tolist())
    best = sorted(exact, key=lambda v: (-exact[v], v))[:8]
    assert show("top_k", pl.Series(values), Int64, 20, k=8) == best
    assert show("top_k", pl.Series(values).cast(pl.String), String, 20, k=8) == [str(v) for v in best]


def test_counts_of_frequent_values_are_at_most_a_thousandth_of_the_events_short() -> None:
    values = np.random.default_rng(6).zipf(1.2, 50_000)
    exact = Counter(values.tolist())
    algebra = compile_function("top_k", Int64, {"k": 1}).algebras[0]
    counters = algebra.counts(merged("top_k", pl.Series(values), Int64, 25, k=1))  # type: ignore[attr-defined]
    assert 0 < len(counters) <= 1000
    for value, count in zip(counters["v"], counters["c"], strict=True):
        assert exact[value] - len(values) / 1001 <= count <= exact[value]


def test_ties_of_frequent_values_go_by_value() -> None:
    assert show("top_k", pl.Series(["b", "a", None, "c", "c"]), String, k=2) == ["c", "a"]
    assert show("top_k", pl.Series([0.0, -0.0, 1.0]), Float64, k=5) == [0.0, 1.0]


def test_hashes_are_those_of_every_release() -> None:
    assert hash_words(np.array([0, 1, -1])).tolist() == [
        16294208416658607535,
        10451216379200822465,
        16490336266968443936,
    ]
    texts = pl.Series([b"", b"a", b"a\0", b"12345678", b"123456789", b"x" * 300], dtype=pl.Binary)
    hashes = hash_texts(texts).tolist()
    assert len(set(hashes)) == 6
    assert hash_texts(texts.reverse()).tolist() == hashes[::-1]
    assert hashes[1:4] == [4490210150949542640, 7850561713998068440, 9374087764525767340]
