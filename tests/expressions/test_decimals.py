"""Decimal arithmetic against Python's decimal, over random precisions: exact, half up, null on overflow."""

from __future__ import annotations

import decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.expressions import decimals
from headrace.types import Decimal

EXACT = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP)


@st.composite
def typed(draw: st.DrawFn) -> tuple[Decimal, list[decimal.Decimal | None]]:
    precision = draw(st.integers(1, 38))
    t = Decimal(precision, draw(st.integers(0, precision)))
    top = 10**precision - 1
    wholes = draw(st.lists(st.none() | st.integers(-top, top), min_size=4, max_size=4))
    return t, [None if w is None else decimal.Decimal(w).scaleb(-t.scale, EXACT) for w in wholes]


def expected(
    op: str, x: decimal.Decimal | None, y: decimal.Decimal | None, t: Decimal
) -> decimal.Decimal | None:
    if x is None or y is None or (op in "/%" and y == 0):
        return None
    value = {
        "+": EXACT.add,
        "-": EXACT.subtract,
        "*": EXACT.multiply,
        "/": EXACT.divide,
        "%": EXACT.remainder,
    }[op](x, y)
    if op == "*":
        value = decimal.Context(prec=38, rounding=decimal.ROUND_HALF_UP).plus(value)
    return decimals.quantized(value, t)


@settings(max_examples=60, deadline=None)
@given(typed(), typed(), st.sampled_from("+-*/%"))
def test_arithmetic_is_exact(
    a: tuple[Decimal, list[decimal.Decimal | None]], b: tuple[Decimal, list[decimal.Decimal | None]], op: str
) -> None:
    (s, xs), (u, ys) = a, b
    t = decimals.result_type(op, s, u)
    frame = pl.DataFrame({"x": pl.Series(xs, dtype=s.polars), "y": pl.Series(ys, dtype=u.polars)})
    got = frame.select(decimals.arithmetic(op, pl.col("x"), s, pl.col("y"), u).alias("z"))["z"]
    assert got.dtype == t.polars
    assert got.to_list() == [expected(op, x, y, t) for x, y in zip(xs, ys, strict=True)]


@settings(max_examples=60, deadline=None)
@given(typed(), st.integers(1, 38), st.data())
def test_rescaling_rounds_half_up_or_is_null(
    a: tuple[Decimal, list[decimal.Decimal | None]], precision: int, data: st.DataObject
) -> None:
    s, xs = a
    t = Decimal(precision, data.draw(st.integers(0, precision)))
    got = pl.DataFrame({"x": pl.Series(xs, dtype=s.polars)}).select(
        decimals.rescale(pl.col("x"), s, t).alias("z")
    )["z"]
    assert got.to_list() == [None if x is None else decimals.quantized(x, t) for x in xs]


def test_result_types_are_sparks() -> None:
    price, count = Decimal(12, 2), Decimal(10, 0)
    assert decimals.result_type("+", price, count) == Decimal(13, 2)
    assert decimals.result_type("*", price, count) == Decimal(23, 2)
    assert decimals.result_type("/", price, count) == Decimal(23, 13)
    assert decimals.result_type("*", Decimal(38, 10), Decimal(38, 10)) == Decimal(38, 6)
