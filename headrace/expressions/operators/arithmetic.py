"""``+ - * / % div`` and their function forms: Spark's result types, wrap-around, and null on division by zero.

Dates, timestamps and intervals in sums are passed on to `operators.time`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from headrace.expressions import decimals
from headrace.expressions.coercion import Kind, tightest
from headrace.expressions.columns import divided, int128, per_column, trunc_div, trunc_mod
from headrace.expressions.intervals import Interval
from headrace.expressions.operators import time
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import (
    FLOATS,
    INTEGERS,
    DataType,
    Date,
    Decimal,
    Float64,
    Int64,
    Null,
    String,
    Timestamp,
    is_numeric,
)

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

TEMPORAL = (Date, Timestamp)


def _is_temporal(v: Value) -> bool:
    return v.type in TEMPORAL or isinstance(v.type, Interval)


def _numbers(binder: Binder, op: str, a: Value, b: Value) -> tuple[Value, Value]:
    """Both sides with strings as doubles; refused where one is then no number."""
    if a.type == String and not isinstance(b.type, Interval):
        a = binder.cast(a, Float64)
    if b.type == String and not isinstance(a.type, Interval):
        b = binder.cast(b, Float64)
    for v in (a, b):
        if not is_numeric(v.type) and v.type != Null:
            raise binder.mismatch(
                f"`{op}` takes numbers, got {a.type.spark} and {b.type.spark}",
                "Cast with `cast(... as ...)`, or use `case when ... then 1 else 0 end` for a boolean.",
            )
    return a, b


def _aligned(binder: Binder, op: str, a: Value, b: Value) -> tuple[Value, Value]:
    """Both sides of one numeric type, or both decimals (of their own precision)."""
    a, b = _numbers(binder, op, a, b)
    if isinstance(a.type, Decimal) or isinstance(b.type, Decimal):
        if a.type in FLOATS or b.type in FLOATS:
            return binder.cast(a, Float64), binder.cast(b, Float64)
        if a.type == Null or b.type == Null:
            t = b.type if a.type == Null else a.type
            return binder.cast(a, t), binder.cast(b, t)
        return _as_decimal(binder, a), _as_decimal(binder, b)
    met = tightest(a.type, b.type)
    assert met is not None
    t = Float64 if met == Null else met
    return binder.cast(a, t), binder.cast(b, t)


def _as_decimal(binder: Binder, v: Value) -> Value:
    if isinstance(v.type, Decimal):
        return v
    narrow = v.is_literal and v.known is not None
    return binder.cast(v, decimals.of_literal(v.known) if narrow else decimals.of_type(v.type))


def _decimal_result(op: str, a: Value, b: Value) -> Value | None:
    if isinstance(a.type, Decimal) and isinstance(b.type, Decimal):
        t = decimals.result_type(op, a.type, b.type)
        return combined(t, decimals.arithmetic(op, a.expr, a.type, b.expr, b.type), (a, b))
    return None


@operation("+", group="operators", params=(Kind.ANY, Kind.ANY), optional=1, raw=True, operator=True)
def add(binder: Binder, a: Value, b: Value | None = None) -> Value:
    if b is None:
        return _unary(binder, "+", a)
    if _is_temporal(a) or _is_temporal(b):
        return time.add(binder, a, b)
    a, b = _aligned(binder, "+", a, b)
    return _decimal_result("+", a, b) or combined(a.type, a.expr + b.expr, (a, b))


@operation("-", group="operators", params=(Kind.ANY, Kind.ANY), optional=1, raw=True, operator=True)
def subtract(binder: Binder, a: Value, b: Value | None = None) -> Value:
    if b is None:
        return _unary(binder, "-", a)
    if _is_temporal(a) or _is_temporal(b):
        return time.subtract(binder, a, b)
    a, b = _aligned(binder, "-", a, b)
    return _decimal_result("-", a, b) or combined(a.type, a.expr - b.expr, (a, b))


def _unary(binder: Binder, op: str, a: Value) -> Value:
    if a.type in (String, Null):
        a = binder.cast(a, Float64)
    if not is_numeric(a.type) and not isinstance(a.type, Interval):
        raise binder.mismatch(f"`{op}` takes a number, got {a.type.spark}")
    if op == "+":
        return a
    return combined(a.type, negated(a.expr, a.type), (a,))


def negated(x: pl.Expr, t: DataType) -> pl.Expr:
    """Minus `x`: the least integer stays as it is."""
    if isinstance(t, Decimal):
        return decimals.from_unscaled(decimals.negated(decimals.unscaled(x)), t)
    return -x


@operation("negative", group="math", params=(Kind.NUMERIC,), raw=True, result="as its argument")
def negative(binder: Binder, a: Value) -> Value:
    return _unary(binder, "-", a)


@operation("positive", group="math", params=(Kind.NUMERIC,), raw=True, result="as its argument")
def positive(binder: Binder, a: Value) -> Value:
    return _unary(binder, "+", a)


@operation("*", group="operators", params=(Kind.ANY, Kind.ANY), raw=True, operator=True)
def multiply(binder: Binder, a: Value, b: Value) -> Value:
    if isinstance(a.type, Interval) or isinstance(b.type, Interval):
        return time.multiply(binder, a, b)
    a, b = _aligned(binder, "*", a, b)
    return _decimal_result("*", a, b) or combined(a.type, a.expr * b.expr, (a, b))


@operation("/", group="operators", params=(Kind.ANY, Kind.ANY), raw=True, operator=True)
def divide(binder: Binder, a: Value, b: Value) -> Value:
    """A double, or a decimal where one side is one and the other no float."""
    bare = a.type == Null  # a double even beside a decimal, though not behind one
    a, b = _aligned(binder, "/", a, b)
    if bare or not isinstance(a.type, Decimal):
        a, b = binder.cast(a, Float64), binder.cast(b, Float64)
    elif not isinstance(b.type, Decimal):
        b = binder.cast(b, a.type)
    exact = _decimal_result("/", a, b)
    return exact or combined(
        Float64, pl.when(b.expr != 0.0).then(divided(a.expr, b.expr)).otherwise(None), (a, b)
    )


@operation("div", group="operators", params=(Kind.ANY, Kind.ANY), raw=True, operator=True)
def integral_divide(binder: Binder, a: Value, b: Value) -> Value:
    """A bigint, cut towards zero."""
    for v in (a, b):
        if v.type not in INTEGERS and not isinstance(v.type, (Decimal, Interval)) and v.type != Null:
            raise binder.mismatch(
                f"`div` takes integers or decimals, got {a.type.spark} and {b.type.spark}",
                "Use `floor(a / b)` for fractions.",
            )
    if isinstance(a.type, Interval) or isinstance(b.type, Interval):
        if a.type.polars != b.type.polars:
            raise binder.mismatch("`div` takes two intervals of one kind")
        x, y = a.expr.cast(pl.Int64), b.expr.cast(pl.Int64)
        return combined(Int64, trunc_div(x, y), (a, b))
    a, b = _aligned(binder, "div", a, b)
    if isinstance(a.type, Decimal) and isinstance(b.type, Decimal):
        scale = max(a.type.scale, b.type.scale)
        x = decimals.unscaled(a.expr) * int128(10 ** (scale - a.type.scale))
        y = decimals.unscaled(b.expr) * int128(10 ** (scale - b.type.scale))
        return combined(Int64, trunc_div(x, y).cast(pl.Int64, wrap_numerical=True), (a, b))
    a, b = binder.cast(a, Int64), binder.cast(b, Int64)
    return combined(Int64, trunc_div(a.expr, b.expr), (a, b))


def _remainder(a: Value, b: Value, *, positive: bool) -> pl.Expr:
    t = a.type
    if t in FLOATS:
        return per_column(_float_pmod if positive else _float_mod, a.expr, b.expr, returns=t)
    x, y = a.expr, b.expr
    r = trunc_mod(x, y)
    return pl.when(r < 0).then(trunc_mod(r + y, y)).otherwise(r) if positive else r


def _float_mod(x: pl.Series, y: pl.Series) -> pl.Series:
    """IEEE remainder with the sign of `x`; null where `y` is 0."""
    divisor = y.set(y == 0.0, None)
    with np.errstate(invalid="ignore"):
        r = pl.Series(np.fmod(x.fill_null(0.0).to_numpy(), divisor.fill_null(1.0).to_numpy()), dtype=x.dtype)
    return r.set(x.is_null() | divisor.is_null(), None)


def _float_pmod(x: pl.Series, y: pl.Series) -> pl.Series:
    r = _float_mod(x, y)
    return r.zip_with((r >= 0) | r.is_nan() | r.is_null(), _float_mod(r + y, y))


def _modulo(binder: Binder, name: str, a: Value, b: Value) -> Value:
    a, b = _aligned(binder, name, a, b)
    positive = name == "pmod"
    if isinstance(a.type, Decimal) and not isinstance(b.type, Decimal):
        b = binder.cast(b, a.type)
    if isinstance(a.type, Decimal) and isinstance(b.type, Decimal):
        t = decimals.result_type("%", a.type, b.type)
        r = decimals.arithmetic("%", a.expr, a.type, b.expr, b.type)
        if not positive:
            return combined(t, r, (a, b))
        scale = t.scale
        whole = decimals.unscaled(r)
        y = decimals.unscaled(b.expr) * int128(10 ** (scale - b.type.scale))
        lifted = decimals.remainder(whole + y, y)
        return combined(
            t, decimals.from_unscaled(pl.when(whole < 0).then(lifted).otherwise(whole), t), (a, b)
        )
    return combined(a.type, _remainder(a, b, positive=positive), (a, b))


@operation("%", "mod", group="math", params=(Kind.NUMERIC, Kind.NUMERIC), raw=True, result="as its arguments")
def modulo(binder: Binder, a: Value, b: Value) -> Value:
    return _modulo(binder, "%", a, b)


@operation("pmod", group="math", params=(Kind.NUMERIC, Kind.NUMERIC), raw=True, result="as its arguments")
def positive_modulo(binder: Binder, a: Value, b: Value) -> Value:
    return _modulo(binder, "pmod", a, b)


def _try(op: str, binder: Binder, a: Value, b: Value) -> Value:
    """As the operator, but null where an integer passes its range."""
    made = {"+": add, "-": subtract, "*": multiply}[op](binder, a, b)
    if made.type not in INTEGERS:
        return made
    x, y = a.expr.cast(pl.Int128), b.expr.cast(pl.Int128)
    wide = x + y if op == "+" else x - y if op == "-" else x * y
    return combined(made.type, wide.cast(made.type.polars, strict=False), (a, b))


@operation("try_add", group="math", params=(Kind.ANY, Kind.ANY), raw=True, result="as `+`")
def try_add(binder: Binder, a: Value, b: Value) -> Value:
    return _try("+", binder, a, b)


@operation("try_subtract", group="math", params=(Kind.ANY, Kind.ANY), raw=True, result="as `-`")
def try_subtract(binder: Binder, a: Value, b: Value) -> Value:
    return _try("-", binder, a, b)


@operation("try_multiply", group="math", params=(Kind.ANY, Kind.ANY), raw=True, result="as `*`")
def try_multiply(binder: Binder, a: Value, b: Value) -> Value:
    return _try("*", binder, a, b)


@operation("try_divide", group="math", params=(Kind.ANY, Kind.ANY), raw=True, result="as `/`")
def try_divide(binder: Binder, a: Value, b: Value) -> Value:
    return divide(binder, a, b)
