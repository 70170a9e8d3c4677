"""Comparisons, ``in``, ``is null``: Spark's coercions, its order of NaN (largest, equal to itself) and nulls."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.expressions.coercion import Kind, compared
from headrace.expressions.columns import per_value
from headrace.expressions.intervals import Interval
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import Bool, DataType, Float32, Float64, List, Map, Null, Struct, is_numeric

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

Test = Callable[[Any, Any], Any]


def _sides(binder: Binder, op: str, a: Value, b: Value) -> tuple[Value, Value]:
    t: DataType | None
    if op in ("=", "<=>") and Bool in (a.type, b.type) and (is_numeric(a.type) or is_numeric(b.type)):
        t = b.type if a.type == Bool else a.type
    else:
        t = compared(a.type, b.type)
    if t is None or _has_map(t):
        raise binder.mismatch(
            f"`{op}` cannot compare {a.type.spark} with {b.type.spark}",
            "Cast one side with `cast(... as ...)`.",
        )
    return binder.cast(a, t), binder.cast(b, t)


def _has_map(t: DataType) -> bool:
    if isinstance(t, List):
        return _has_map(t.item)
    if isinstance(t, Struct):
        return any(_has_map(x) for _, x in t.fields)
    return isinstance(t, Map)


def equal(a: pl.Expr, b: pl.Expr, t: DataType) -> pl.Expr:
    """``=`` on two of type `t`; inside arrays and structs null equals null."""
    if isinstance(t, Struct):
        same = pl.all_horizontal(
            equal_or_both_null(a.struct.field(n), b.struct.field(n), m) for n, m in t.fields
        )
        return pl.when(a.is_not_null() & b.is_not_null()).then(same)
    if isinstance(t, List):
        return per_value(lambda x, y: ordering(x, y) == 0, a, b, returns=Bool) if _ordered(t) else a == b
    return a == b


def _ordered(t: DataType) -> bool:
    """Whether Polars' own equality of arrays would differ: floats and structs inside."""
    return not isinstance(t, List) or t.item in (Float32, Float64) or isinstance(t.item, (List, Struct))


def equal_or_both_null(a: pl.Expr, b: pl.Expr, t: DataType) -> pl.Expr:
    if isinstance(t, (Struct, List)):
        both = a.is_null() & b.is_null()
        return both | equal(a, b, t).fill_null(False)
    return a.eq_missing(b)


def ordering(x: Any, y: Any) -> int:
    """Spark's order of two values of one type: nulls first, NaN last, arrays and structs by their members."""
    if x is None or y is None:
        return (x is not None) - (y is not None)
    if isinstance(x, dict):
        x, y = list(x.values()), list(y.values())
    if isinstance(x, list):
        found = next((c for p, q in zip(x, y, strict=False) if (c := ordering(p, q))), 0)
        return found or (len(x) > len(y)) - (len(x) < len(y))
    if isinstance(x, float) and (x != x or y != y):
        return int(math.isnan(x)) - int(math.isnan(y))
    if isinstance(x, str):
        x, y = x.encode(), y.encode()
    return 1 if x > y else -1 if x < y else 0


def compare(op: str, test: Test, binder: Binder, a: Value, b: Value) -> Value:
    """``a op b``, where `test` compares two of one type."""
    a, b = _sides(binder, op, a, b)
    if a.type == Null:
        return combined(Bool, pl.lit(None, dtype=pl.Boolean), (a, b))
    if isinstance(a.type, (List, Struct)):
        if op == "=":
            return combined(Bool, equal(a.expr, b.expr, a.type), (a, b))
        return combined(
            Bool, per_value(lambda x, y: test(ordering(x, y), 0), a.expr, b.expr, returns=Bool), (a, b)
        )
    return combined(Bool, test(a.expr, b.expr), (a, b))


for _sign, _function in (
    ("=", operator.eq),
    ("<", operator.lt),
    ("<=", operator.le),
    (">", operator.gt),
    (">=", operator.ge),
):
    operation(_sign, group="operators", params=(Kind.ANY, Kind.ANY), raw=True, operator=True)(
        functools.partial(compare, _sign, _function)
    )


@operation("<=>", group="operators", params=(Kind.ANY, Kind.ANY), raw=True, operator=True)
def null_safe_equal(binder: Binder, a: Value, b: Value) -> Value:
    a, b = _sides(binder, "<=>", a, b)
    if a.type == Null:
        return combined(Bool, pl.lit(True), (a, b))
    return combined(Bool, equal_or_both_null(a.expr, b.expr, a.type), (a, b))


@operation("equal_null", group="conditional", params=(Kind.ANY, Kind.ANY), raw=True, result="boolean")
def equal_null(binder: Binder, a: Value, b: Value) -> Value:
    return null_safe_equal(binder, a, b)


@operation("in", group="operators", params=(Kind.ANY,), arity=(2, None), raw=True, operator=True)
def contained(binder: Binder, *values: Value) -> Value:
    """``x in (a, b)``: null where x is null, or where it is not found and one of the list is null."""
    t, (x, *members) = binder.to_common(values, "the value and the list of `in`")
    if _has_map(t):
        raise binder.mismatch("`in` cannot compare maps")
    if t == Null:
        return combined(Bool, pl.lit(None, dtype=pl.Boolean), (x, *members))
    plain = not isinstance(t, (List, Struct, Interval))
    if plain and all(m.constant is not None for m in members):
        known = [m.known for m in members if m.known is not None]
        if not known:
            return combined(Bool, pl.lit(None, dtype=pl.Boolean), (x, *members))
        pool = pl.Series(known, dtype=pl.Int64 if t.spark == "timestamp" else t.polars)
        found = x.expr.is_in(pool.cast(t.polars).implode())
        if len(known) < len(members):
            found = pl.when(found).then(True).otherwise(pl.lit(None, dtype=pl.Boolean))
        return combined(Bool, found, (x, *members))
    tests = [equal(x.expr, m.expr, t) for m in members]
    return combined(Bool, functools.reduce(pl.Expr.__or__, tests), (x, *members))


@operation("isnull", group="conditional", params=(Kind.ANY,), returns=Bool)
def is_null(x: Value) -> pl.Expr:
    return x.expr.is_null()


@operation("isnotnull", group="conditional", params=(Kind.ANY,), returns=Bool)
def is_not_null(x: Value) -> pl.Expr:
    return x.expr.is_not_null()


@operation("isnan", group="conditional", params=((Float64, Float32),), returns=Bool, notes="false for null")
def is_nan(x: Value) -> pl.Expr:
    return x.expr.is_nan().fill_null(False)
