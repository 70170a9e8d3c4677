"""The constructors of spec section 4: `hr.sum("eur", over="48h", where="abroad")` and its siblings.

Refuses to judge whether an expression is fit for its function (`headrace.plan` does) or to compute it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Final, ParamSpec

from headrace.aggregates.declared import UNSET, Aggregate, Over, Unset, at_least_one, make
from headrace.declaring import declaring, place_of
from headrace.durations import parse_duration
from headrace.errors import DefinitionError
from headrace.types import DataType
from headrace.windows import lifetime, rolling

P = ParamSpec("P")


def _aggregate(fn: Callable[P, Aggregate]) -> Callable[P, Aggregate]:
    return declaring(fn, lambda mistakes: Aggregate(fn.__name__, mistakes=mistakes))


@_aggregate
def count(
    expr: str | None = None,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """How many events, or how many where `expr` is not null. 0 over no events."""
    return make("count", expr, over, where, default, description, type)


@_aggregate
def count_if(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """How many events for which `expr` is true. 0 over no events."""
    return make("count_if", expr, over, where, default, description, type)


@_aggregate
def sum(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The sum of a number. 0 over no events; integers and decimals exact."""
    return make("sum", expr, over, where, default, description, type)


@_aggregate
def avg(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The mean of a number. Null over no events."""
    return make("avg", expr, over, where, default, description, type)


@_aggregate
def min(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The smallest value. Null over no events; NaN is larger than any number."""
    return make("min", expr, over, where, default, description, type)


@_aggregate
def max(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The largest value. Null over no events; NaN is larger than any number."""
    return make("max", expr, over, where, default, description, type)


@_aggregate
def stddev(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
    population: bool = False,
) -> Aggregate:
    """The standard deviation, of a sample unless `population`. Null over no events."""
    return make("stddev", expr, over, where, default, description, type, population=bool(population))


@_aggregate
def variance(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
    population: bool = False,
) -> Aggregate:
    """The variance, of a sample unless `population`. Null over no events."""
    return make("variance", expr, over, where, default, description, type, population=bool(population))


@_aggregate
def first(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The oldest value by event time, then partition and offset. Null over no events."""
    return make("first", expr, over, where, default, description, type)


@_aggregate
def latest(
    expr: str,
    *,
    over: Over | None = None,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The newest value by event time, then partition and offset; over the lifetime unless told."""
    return make("latest", expr, lifetime() if over is None else over, where, default, description, type)


@_aggregate
def last_n(
    expr: str,
    n: int,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The newest `n` values, newest first. Empty over no events."""
    return make("last_n", expr, over, where, default, description, type, n=at_least_one("last_n", "n", n))


@_aggregate
def first_n(
    expr: str,
    n: int,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The oldest `n` values, newest first. Empty over no events."""
    return make("first_n", expr, over, where, default, description, type, n=at_least_one("first_n", "n", n))


@_aggregate
def count_distinct(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """How many different values; exact up to 1,000, a sketch beyond. 0 over no events."""
    return make("count_distinct", expr, over, where, default, description, type)


@_aggregate
def quantile(
    expr: str,
    q: float,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The value below which the share `q` (0 to 1) lies, by a sketch. Null over no events."""
    if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
        raise DefinitionError(
            "quantile() takes a share `q`", field="q", expected="a number from 0 to 1", got=repr(q)
        )
    return make("quantile", expr, over, where, default, description, type, q=float(q))


@_aggregate
def median(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The middle value, by a sketch. Null over no events."""
    return make("median", expr, over, where, default, description, type)


@_aggregate
def top_k(
    expr: str,
    k: int,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The `k` most frequent values, by count then value. Empty over no events."""
    return make("top_k", expr, over, where, default, description, type, k=at_least_one("top_k", "k", k))


@_aggregate
def any(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """Whether `expr` is true for any event. False over no events."""
    return make("any", expr, over, where, default, description, type)


@_aggregate
def all(
    expr: str,
    *,
    over: Over,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """Whether `expr` is true for all events. True over no events."""
    return make("all", expr, over, where, default, description, type)


@_aggregate
def ratio(
    a: Aggregate,
    b: Aggregate,
    *,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """`a` divided by `b`, two aggregates with windows of their own. Null where b is 0."""
    for name, part in (("a", a), ("b", b)):
        if not isinstance(part, Aggregate) or part.function == "ratio":
            raise DefinitionError(
                "ratio() takes two aggregates",
                field=name,
                expected="an aggregate such as hr.sum('amount', over='48h'), not itself a ratio",
                got=str(part) if isinstance(part, Aggregate) else repr(part),
            )
    return Aggregate(
        "ratio",
        default=default,
        description=description,
        type=type,
        parts=(a, b),
        place=place_of(sys._getframe(1)),
        mistakes=a.mistakes + b.mistakes,
    )


@_aggregate
def decayed_sum(
    expr: str,
    half_life: str | timedelta,
    *,
    over: Over | None = None,
    where: str | None = None,
    default: object = UNSET,
    description: str = "",
    type: DataType | None = None,
) -> Aggregate:
    """The sum in which a value of one half-life ago counts half; over 24 half-lives unless told."""
    half = parse_duration(half_life)
    if half < 1:
        raise DefinitionError(
            "decayed_sum() takes a `half_life`",
            field="half_life",
            expected="more than 0",
            got=repr(half_life),
        )
    window = rolling(timedelta(microseconds=24 * half)) if over is None else over
    return make("decayed_sum", expr, window, where, default, description, type, half_life=half)


FUNCTIONS: Final[tuple[str, ...]] = (
    *("count", "count_if", "sum", "avg", "min", "max", "stddev", "variance", "first", "latest"),
    *(
        "last_n",
        "first_n",
        "count_distinct",
        "quantile",
        "median",
        "top_k",
        "any",
        "all",
        "ratio",
        "decayed_sum",
    ),
)
"""Every aggregate, in the order of the spec's table."""

__all__ = ["FUNCTIONS", "UNSET", "Aggregate", "Over", "Unset", *FUNCTIONS]
