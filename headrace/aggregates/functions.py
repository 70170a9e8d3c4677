"""Which algebras and which result each aggregate function has, given the type of its expression.

Owns the typing rules of spec section 4 (as Spark types its aggregates) and says what a function cannot take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.aggregates import results
from headrace.aggregates.algebra import Algebra
from headrace.aggregates.decay import Decayed
from headrace.aggregates.distinct import Distinct, shown_distinct
from headrace.aggregates.extremes import largest_of, smallest_of
from headrace.aggregates.frequent import Frequent, shown_frequent
from headrace.aggregates.moments import Moments
from headrace.aggregates.newest import first_of, latest_of
from headrace.aggregates.quantiles import Quantiles, shown_quantile
from headrace.aggregates.results import Finish
from headrace.aggregates.several import Several, shown_several
from headrace.aggregates.sums import Count, sum_of
from headrace.aggregates.values import has_order
from headrace.types import (
    FLOATS,
    Bool,
    DataType,
    Decimal,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    List,
    Null,
    is_numeric,
)


@dataclass(frozen=True)
class Compiled:
    """How a function is computed: its algebras over one input, the type and making of its value.

    `empty` is the value over no events. `decay` is the algebra of a value that falls by itself: its partials
    are turned into those as of T before the value is made.
    """

    algebras: tuple[Algebra, ...]
    type: DataType
    finish: Finish
    empty: object
    decay: Decayed | None = None


COUNT = Count(Bool)
"""The algebra of every count: of whatever is not null."""


def compile_function(function: str, type: DataType, options: Mapping[str, object]) -> Compiled:
    """The function over an expression of `type` (Bool for a count of rows).

    Raises TypeError with (expected, got) for a type that it cannot take, NotImplementedError for a function
    that is not there yet.
    """
    if function in ("count", "count_if"):
        if function == "count_if" and type not in (Bool, Null):
            raise TypeError("a condition (Bool)", str(type))
        return Compiled((COUNT,), Int64, results.counted, 0)
    if function in ("any", "all"):
        if type not in (Bool, Null):
            raise TypeError("a condition (Bool)", str(type))
        empty = function == "all"
        algebra = largest_of(Bool) if function == "any" else smallest_of(Bool)
        return Compiled((algebra,), Bool, results.shown_truth(empty=empty), empty)
    if function in ("sum", "avg", "stddev", "variance"):
        if not is_numeric(type):
            raise TypeError("a number", str(type))
        if function == "sum":
            return _sum(type)
        if function == "avg":
            return _avg(type)
        finish = results.varied(population=bool(options.get("population")), root=function == "stddev")
        return Compiled((Moments(type),), Float64, finish, None)
    if function in ("min", "max"):
        if not has_order(type):
            raise TypeError("a type with an order (a number, text, bytes, time or Bool)", str(type))
        algebra = smallest_of(type) if function == "min" else largest_of(type)
        shown = results.shown_bytes(type) if algebra.blob else results.shown_word(type)
        return Compiled((algebra,), type, shown, None)
    if function in ("first", "latest"):
        algebra = first_of(type) if function == "first" else latest_of(type)
        shown = results.shown_bytes(type) if algebra.blob else results.shown_word(type, 2)
        return Compiled((algebra,), type, shown, None)
    if function in ("last_n", "first_n"):
        item = Int32 if type in (Int8, Int16) else type
        several = Several(type, int(str(options["n"])), function == "last_n")
        return Compiled((several,), List(item), shown_several(several, item), [])
    if function in ("quantile", "median", "decayed_sum") and not is_numeric(type):
        raise TypeError("a number", str(type))
    if function in ("quantile", "median"):
        q = float(str(options.get("q", 0.5)))
        return Compiled((Quantiles(type),), Float64, shown_quantile(q), None)
    if function == "decayed_sum":
        decay = Decayed(type, int(str(options["half_life"])), int(str(options["step"])))
        return Compiled((decay,), Float64, results.summed_floats, 0, decay)
    if function in ("count_distinct", "top_k") and not has_order(type):
        raise TypeError("a type with an order (a number, text, bytes, time or Bool)", str(type))
    if function == "count_distinct":
        return Compiled((Distinct(type),), Int64, shown_distinct, 0)
    if function == "top_k":
        frequent, item = Frequent(type), Int32 if type in (Int8, Int16) else type
        shown = shown_frequent(frequent, int(str(options["k"])), item)
        return Compiled((frequent,), List(item), shown, [])
    raise NotImplementedError(function)


def _sum(type: DataType) -> Compiled:
    algebra = sum_of(type)
    if type in FLOATS:
        return Compiled((algebra,), Float64, results.summed_floats, 0)
    if isinstance(type, Decimal):
        wide = Decimal(min(38, type.precision + 10), type.scale)
        return Compiled((algebra,), wide, results.summed_decimals(wide), 0)
    return Compiled((algebra,), Int64, results.summed_integers, 0)


def _avg(type: DataType) -> Compiled:
    algebras = (sum_of(type), COUNT)
    if isinstance(type, Decimal):
        mean = Decimal(min(38, type.precision + 4), min(38, type.scale + 4))
        return Compiled(algebras, mean, results.averaged_decimals(mean, type.scale), None)
    return Compiled(algebras, Float64, results.averaged, None)
