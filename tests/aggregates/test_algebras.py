"""Every algebra: merging in any grouping is one merge, and what it shows is right at the edges of its types."""

from __future__ import annotations

import math
from decimal import Decimal as PyDecimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.aggregates.algebra import Algebra, Rows
from headrace.aggregates.functions import compile_function
from headrace.aggregates.partials import Partials, join, spread
from headrace.types import (
    Bool,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int8,
    Int32,
    Int64,
    List,
    String,
    Timestamp,
)

CASES = settings(max_examples=60, deadline=None)


def show(
    function: str, type: DataType, values: list[Any], *, cuts: list[int] | None = None, **options: Any
) -> Any:
    """The value over `values` in order, merged first within cuts and then across them."""
    compiled = compile_function(function, type, options)
    n = len(values)
    series = pl.Series(values, dtype=type.polars)
    rows = Rows(np.arange(n), np.arange(n))
    parts = []
    for algebra in compiled.algebras:
        whole = algebra.of_rows(series, rows)
        if cuts:
            starts = np.array(sorted({0, *cuts}))
            whole = algebra.merge(whole, starts)
        parts.append(algebra.merge(whole, np.array([0])) if n else algebra.empty(1))
    return compiled.finish(parts)[0].to_list()[0]


@pytest.mark.parametrize(
    ("function", "type", "values", "expected"),
    [
        ("sum", Int64, [2**63 - 1, 1, -5, None], 2**63 - 5),
        ("sum", Int64, [2**63 - 1, 2**63 - 1], 2**63 - 1),
        ("sum", Int64, [-(2**63), -(2**63), -1], -(2**63)),
        ("sum", Int64, [2**63 - 1, 2**63 - 1, -(2**63), -(2**63), 7], 5),
        ("sum", Int32, [None], 0),
        ("sum", Decimal(10, 2), [PyDecimal("1.25"), PyDecimal("-3.50"), None], PyDecimal("-2.25")),
        ("sum", Decimal(38, 0), [PyDecimal(10**38 - 1), PyDecimal(1)], None),
        (
            "sum",
            Decimal(38, 2),
            [PyDecimal("999999999999999999999999999999999999.99"), PyDecimal("-0.01")],
            PyDecimal("9" * 36 + ".98"),
        ),
        ("avg", Int64, [1, 2], 1.5),
        (
            "avg",
            Decimal(10, 2),
            [PyDecimal("0.01"), PyDecimal("0.01"), PyDecimal("0.00")],
            PyDecimal("0.006667"),
        ),
        (
            "avg",
            Decimal(10, 2),
            [PyDecimal("-0.01"), PyDecimal("-0.01"), PyDecimal("0.00")],
            PyDecimal("-0.006667"),
        ),
        ("avg", Float64, [], None),
        ("min", Float64, [math.nan, 2.0, -math.inf], -math.inf),
        ("max", Float64, [math.inf, 2.0], math.inf),
        ("min", Float32, [0.5, None], 0.5),
        ("max", String, ["ä", "z", ""], "ä"),
        ("min", String, ["ä", "z", ""], ""),
        (
            "min",
            Decimal(30, 4),
            [PyDecimal("-1.0000"), PyDecimal("12345678901234567890.1234"), PyDecimal("-2.5000")],
            PyDecimal("-2.5000"),
        ),
        ("max", Bool, [False, True, None], True),
        ("first", String, [None, "a", "b"], "a"),
        ("latest", List(Float64), [[1.0], [], [math.inf, None], None], [math.inf, None]),
        ("latest", Int64, [None, None], None),
        ("any", Bool, [None, False], False),
        ("any", Bool, [], False),
        ("all", Bool, [], True),
        ("all", Bool, [True, False], False),
        ("count", String, ["a", None], 1),
        ("stddev", Int64, [5], None),
        ("variance", Int64, [1, 2, 3, 4], 5 / 3),
        ("last_n", String, ["a", None, "b", "", "c"], ["c", "", "b"]),
        ("first_n", Int64, [5, None, -4, 3, 2], [3, -4, 5]),
        ("last_n", Int8, [1, -2], [-2, 1]),
        ("last_n", List(Float64), [[1.0], [], None, [math.inf, None]], [[math.inf, None], [], [1.0]]),
        ("last_n", Decimal(30, 2), [PyDecimal("-0.50"), None], [PyDecimal("-0.50")]),
        ("first_n", Bool, [None], []),
        ("last_n", Timestamp, [], []),
        ("count_distinct", Float64, [0.0, -0.0, math.nan, -math.nan, None], 2),
        ("count_distinct", Bool, [], 0),
        ("median", Decimal(10, 2), [PyDecimal("2.50"), PyDecimal("1.25"), PyDecimal("3.00")], 2.5),
        ("median", Int64, [None], None),
        ("top_k", Date, [], []),
        ("top_k", Bool, [True, False, True], [True, False]),
        (
            "top_k",
            Decimal(30, 2),
            [PyDecimal("1.00"), PyDecimal("-1.00")],
            [PyDecimal("-1.00"), PyDecimal("1.00")],
        ),
    ],
)
def test_an_aggregate_shows(function: str, type: DataType, values: list[Any], expected: Any) -> None:
    options = {"n": 3, "k": 3} if function in ("last_n", "first_n", "top_k") else {}
    assert show(function, type, values, **options) == expected
    assert show(function, type, values, cuts=[1, 2][: max(0, len(values) - 1)], **options) == expected


def test_nan_is_the_largest_number() -> None:
    assert math.isnan(show("max", Float64, [math.nan, math.inf]))
    assert math.isnan(show("min", Float64, [math.nan, None]))
    assert show("min", Float64, [math.nan, math.inf]) == math.inf


def test_a_population_of_one_varies_by_nothing() -> None:
    assert show("variance", Float64, [3.5], population=True) == 0.0


def test_the_spread_of_large_values_is_not_lost() -> None:
    values = [1e9 + x for x in (4.0, 7.0, 13.0, 16.0)] * 250
    assert show("variance", Float64, values, cuts=list(range(7, 1000, 7)), population=True) == pytest.approx(
        22.5, rel=1e-9
    )


@CASES
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 29), max_size=6),
)
def test_integer_sums_are_exact_in_any_grouping(values: list[int | None], cuts: list[int]) -> None:
    exact = sum(v for v in values if v is not None)
    got = show("sum", Int64, values, cuts=[c for c in cuts if c < len(values)])
    assert got == max(-(2**63), min(2**63 - 1, exact))


@pytest.mark.parametrize("function", ["first", "latest"])
@CASES
@given(data=st.data())
def test_ties_in_time_go_by_order(function: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 20))
    time = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), "i8")
    order = np.array(data.draw(st.permutations(range(n))), "i8")
    algebra = compile_function(function, Int64, {}).algebras[0]
    whole = algebra.of_rows(pl.Series(range(n)), Rows(time, order))
    cuts = data.draw(st.lists(st.integers(0, n - 1), max_size=4))
    merged = algebra.merge(algebra.merge(whole, np.array(sorted({0, *cuts}))), np.array([0]))
    ranked = sorted(range(n), key=lambda i: (time[i], order[i]))
    assert merged.words[2].tolist() == [ranked[0 if function == "first" else -1]]


ALGEBRAS = [
    compile_function(f, t, {"n": 2, "k": 1, "half_life": 2, "step": 1}).algebras[0]
    for f, t in [
        ("count", Bool),
        ("sum", Int64),
        ("sum", Decimal(30, 2)),
        ("sum", Float64),
        ("min", String),
        ("max", Date),
        ("latest", String),
        ("first", Timestamp),
        ("stddev", Float64),
        ("last_n", Int64),
        ("first_n", String),
        ("count_distinct", String),
        ("median", Int64),
        ("top_k", String),
        ("decayed_sum", Float64),
    ]
]


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=lambda a: a.layout)
def test_an_empty_partial_changes_nothing(algebra: Algebra) -> None:
    series = pl.Series([3, 1, 2]).cast(pl.Int64)
    values = series.cast(algebra.type.polars) if algebra.type != Bool else pl.Series([True] * 3)
    parts = algebra.of_rows(values, Rows(np.arange(3), np.arange(3)))
    alone = algebra.merge(parts, np.array([0]))
    among = algebra.merge(join([algebra.empty(2), parts, algebra.empty(1)]), np.array([0]))
    assert plain(among) == plain(alone)
    assert not algebra.merge(algebra.empty(4), np.array([0, 2])).has.any()


def test_partials_are_spread_over_the_entities_that_have_them() -> None:
    algebra = compile_function("latest", String, {}).algebras[0]
    parts = algebra.of_rows(pl.Series(["a", "b"]), Rows(np.arange(2), np.arange(2)))
    out = spread(parts, np.array([1, 3]), algebra.empty(5))
    assert out.has.tolist() == [False, True, False, True, False]
    assert out.blob is not None
    assert out.blob.to_list() == [None, b"a", None, b"b", None]


def plain(parts: Partials) -> Any:
    return (
        parts.has.tolist(),
        [w.tolist() for w in parts.words],
        None if parts.blob is None else parts.blob.to_list(),
    )


def test_a_function_says_what_it_cannot_take() -> None:
    with pytest.raises(TypeError) as refused:
        compile_function("sum", String, {})
    assert refused.value.args == ("a number", "String")
