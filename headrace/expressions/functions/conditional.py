"""Choosing among values: if, coalesce, nullif, nanvl, greatest, least and their kin."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.expressions.coercion import Kind, implicit
from headrace.expressions.columns import per_value
from headrace.expressions.operators.comparison import compare, ordering
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import FLOATS, DataType, Float32, Float64, List, Map, Null, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder


@operation(
    "if", "iff", group="conditional", params=(Kind.ANY, Kind.ANY, Kind.ANY), raw=True, result="common type"
)
def choose(binder: Binder, condition: Value, yes: Value, no: Value) -> Value:
    condition = binder.boolean(condition, "the condition of `if`")
    t, (yes, no) = binder.to_common((yes, no), "the two results of `if`")
    expr = pl.when(condition.expr).then(yes.expr).otherwise(no.expr)
    return combined(t, expr, (condition, yes, no))


@operation(
    "coalesce", group="conditional", params=(Kind.ANY,), arity=(1, None), raw=True, result="common type"
)
def coalesce(binder: Binder, *values: Value) -> Value:
    t, found = binder.to_common(values, "the arguments of `coalesce`")
    return combined(t, pl.coalesce([v.expr for v in found]), found)


@operation("nvl", "ifnull", group="conditional", params=(Kind.ANY, Kind.ANY), raw=True, result="common type")
def nvl(binder: Binder, a: Value, b: Value) -> Value:
    return coalesce(binder, a, b)


@operation("nvl2", group="conditional", params=(Kind.ANY, Kind.ANY, Kind.ANY), raw=True, result="common type")
def nvl2(binder: Binder, test: Value, there: Value, missing: Value) -> Value:
    t, (there, missing) = binder.to_common((there, missing), "the last two arguments of `nvl2`")
    expr = pl.when(test.expr.is_not_null()).then(there.expr).otherwise(missing.expr)
    return combined(t, expr, (test, there, missing))


@operation(
    "nullif", group="conditional", params=(Kind.ANY, Kind.ANY), raw=True, result="as the first argument"
)
def nullif(binder: Binder, a: Value, b: Value) -> Value:
    same = compare("=", lambda x, y: x == y, binder, a, b)
    if a.type == Null:
        return a
    expr = pl.when(same.expr.fill_null(False)).then(None).otherwise(a.expr)
    return combined(a.type, expr, (a, b))


@operation(
    "nanvl",
    group="conditional",
    params=((Float64, Float32), (Float64, Float32)),
    raw=True,
    result="double or float",
)
def nanvl(binder: Binder, a: Value, b: Value) -> Value:
    t, (a, b) = _floats(binder, a, b)
    return combined(t, pl.when(a.expr.is_nan()).then(b.expr).otherwise(a.expr), (a, b))


def _floats(binder: Binder, a: Value, b: Value) -> tuple[DataType, tuple[Value, Value]]:
    types = [implicit(v.type, (Float64, Float32)) for v in (a, b)]
    if None in types:
        raise binder.mismatch(f"`nanvl` takes doubles or floats, got {a.type.spark} and {b.type.spark}")
    t = Float32 if types == [Float32, Float32] else Float64
    return t, (binder.cast(a, t), binder.cast(b, t))


def _extreme(largest: bool, name: str, binder: Binder, *values: Value) -> Value:
    t, found = binder.to_common(values, f"the arguments of `{name}`", promote_strings=False)
    if isinstance(t, Map):
        raise binder.mismatch(f"`{name}` cannot compare maps")
    if isinstance(t, (List, Struct)):
        pick = per_value(
            lambda *xs: functools.reduce(_better(largest), (x for x in xs if x is not None), None),
            *(v.expr for v in found),
            returns=t,
            nulls=True,
        )
        return combined(t, pick, found)
    if t not in FLOATS and t.spark not in ("string", "boolean", "binary", "void"):
        pick = (pl.max_horizontal if largest else pl.min_horizontal)([v.expr for v in found])
        return combined(t, pick, found)
    expr = found[0].expr
    for v in found[1:]:
        better = v.expr > expr if largest else v.expr < expr
        expr = pl.when(expr.is_null() | better).then(v.expr).otherwise(expr)
    return combined(t, expr, found)


def _better(largest: bool) -> Callable[[Any, Any], Any]:
    def pick(x: Any, y: Any) -> Any:
        if x is None:
            return y
        return y if (ordering(y, x) > 0) == largest and ordering(y, x) else x

    return pick


for _name, _largest in (("greatest", True), ("least", False)):
    operation(
        _name,
        group="conditional",
        params=(Kind.ANY,),
        arity=(2, None),
        raw=True,
        result="common type",
        notes="skips nulls",
    )(functools.partial(_extreme, _largest, _name))
