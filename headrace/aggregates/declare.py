"""What a definition says of an aggregate: `hr.sum("eur", over="48h", where="abroad")` and its siblings.

Owns the constructors of spec section 4 and the value they make. Knows no schema, no state and no arithmetic:
whether an expression is fit for its function is judged by `headrace.plan`, how it is computed by the algebras.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, ParamSpec, TypeAlias

from headrace.declaring import declaring, place_of
from headrace.durations import parse_duration
from headrace.errors import DefinitionError, Place
from headrace.types import DataType
from headrace.windows import Window, as_window, lifetime, rolling

P = ParamSpec("P")


class Unset:
    """The type of `UNSET`: not given, where None is a value."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset()

Over: TypeAlias = str | timedelta | Window
"""A window, or a duration, which is short for ``rolling(duration)``."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregate over one window, as declared. Equal when they mean the same, wherever they stand.

    `default` is the value in place of the one over no events, or UNSET. `type` is a stated type to which the
    value is cast as Spark casts, or None. `options` are what a function has of its own, by name: `population`
    (bool), `n`, `k` (int), `q` (float), `half_life` (microseconds). `parts` are the two aggregates of a ratio;
    a ratio alone has no window of its own.
    """

    function: str
    expr: str | None = None
    over: Window | None = None
    where: str | None = None
    default: object = UNSET
    description: str = ""
    type: DataType | None = None
    options: tuple[tuple[str, object], ...] = ()
    parts: tuple[Aggregate, ...] = ()
    place: Place = field(default=Place(), compare=False, repr=False)
    mistakes: tuple[DefinitionError, ...] = field(default=(), compare=False, repr=False)

    @property
    def broken(self) -> bool:
        """Whether it was declared with a mistake, which happens inside a load only."""
        return bool(self.mistakes)

    def option(self, name: str, default: object = None) -> object:
        """The option `name`, or `default` where the function has no such option."""
        return dict(self.options).get(name, default)

    def __str__(self) -> str:
        """``sum(eur) over rolling('2d') where abroad``."""
        inside = ", ".join([self.expr] if self.expr else [str(p) for p in self.parts])
        text = f"{self.function}({inside})"
        if self.over is not None:
            text += f" over {self.over}"
        return text if self.where is None else f"{text} where {self.where}"


def _aggregate(fn: Callable[P, Aggregate]) -> Callable[P, Aggregate]:
    return declaring(fn, lambda mistakes: Aggregate(fn.__name__, mistakes=mistakes))


def _make(
    function: str,
    expr: str | None,
    over: Over,
    where: str | None,
    default: object,
    description: str,
    type: DataType | None,
    **options: object,
) -> Aggregate:
    for name, text in (("expr", expr), ("where", where)):
        if text is not None and not (isinstance(text, str) and text.strip()):
            raise DefinitionError(
                f"{function}() takes its {name} as a SQL expression",
                field=name,
                expected="a string such as 'amount * 2'",
                got=repr(text),
            )
    if type is not None and not isinstance(type, DataType):
        raise DefinitionError(
            f"{function}() takes a type of Headrace",
            field="type",
            expected="a type such as hr.Int64",
            got=repr(type),
        )
    window = as_window(over)
    return Aggregate(
        function,
        expr,
        window,
        where,
        default,
        description,
        type,
        tuple(options.items()),
        place=place_of(sys._getframe(1)),
        mistakes=tuple(getattr(window, "mistakes", ())),
    )


def _at_least_one(function: str, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DefinitionError(
            f"{function}() takes a whole number `{name}`",
            field=name,
            expected="1 or more",
            got=repr(value),
        )
    return value


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
    return _make("count", expr, over, where, default, description, type)


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
    return _make("count_if", expr, over, where, default, description, type)


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
    return _make("sum", expr, over, where, default, description, type)


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
    return _make("avg", expr, over, where, default, description, type)


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
    return _make("min", expr, over, where, default, description, type)


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
    return _make("max", expr, over, where, default, description, type)


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
    return _make("stddev", expr, over, where, default, description, type, population=bool(population))


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
    return _make("variance", expr, over, where, default, description, type, population=bool(population))


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
    return _make("first", expr, over, where, default, description, type)


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
    return _make("latest", expr, lifetime() if over is None else over, where, default, description, type)


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
    return _make("last_n", expr, over, where, default, description, type, n=_at_least_one("last_n", "n", n))


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
    return _make("first_n", expr, over, where, default, description, type, n=_at_least_one("first_n", "n", n))


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
    return _make("count_distinct", expr, over, where, default, description, type)


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
    return _make("quantile", expr, over, where, default, description, type, q=float(q))


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
    return _make("median", expr, over, where, default, description, type)


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
    return _make("top_k", expr, over, where, default, description, type, k=_at_least_one("top_k", "k", k))


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
    return _make("any", expr, over, where, default, description, type)


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
    return _make("all", expr, over, where, default, description, type)


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
    """The sum in which a value of one half-life ago counts half; over 24 half-lives unless told. 0 over none."""
    half = parse_duration(half_life)
    if half < 1:
        raise DefinitionError(
            "decayed_sum() takes a `half_life`",
            field="half_life",
            expected="more than 0",
            got=repr(half_life),
        )
    window = rolling(timedelta(microseconds=24 * half)) if over is None else over
    return _make("decayed_sum", expr, window, where, default, description, type, half_life=half)


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
