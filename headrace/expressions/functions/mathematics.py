"""Mathematical functions: doubles in, doubles out, null outside a logarithm's domain."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from headrace.expressions import decimals
from headrace.expressions.cast.numbers import saturated
from headrace.expressions.coercion import Kind
from headrace.expressions.columns import divided, int64, per_column, per_value
from headrace.expressions.operators.arithmetic import negated
from headrace.expressions.registry import operation
from headrace.expressions.value import Value
from headrace.types import Bytes, DataType, Decimal, Float64, Int32, Int64, String

GROUP = "math"


def same(args: Sequence[Value]) -> DataType:
    """The result type rule "as the first argument"."""
    return args[0].type


def _numpy(function: Callable[..., Any], x: Value, *more: Value) -> pl.Expr:
    def run(*columns: pl.Series) -> pl.Series:
        missing = functools.reduce(lambda a, b: a | b, [c.is_null() for c in columns])
        with np.errstate(all="ignore"):
            out = function(*(c.fill_null(1.0).to_numpy() for c in columns))
        return pl.Series(out, dtype=pl.Float64).set(missing, None)

    return per_column(run, x.expr, *(v.expr for v in more), returns=Float64)


_POLARS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "sqrt": pl.Expr.sqrt,
    "cbrt": pl.Expr.cbrt,
    "exp": pl.Expr.exp,
    "sin": pl.Expr.sin,
    "cos": pl.Expr.cos,
    "tan": pl.Expr.tan,
    "cot": pl.Expr.cot,
    "sinh": pl.Expr.sinh,
    "cosh": pl.Expr.cosh,
    "tanh": pl.Expr.tanh,
    "asin": pl.Expr.arcsin,
    "acos": pl.Expr.arccos,
    "atan": pl.Expr.arctan,
    "atanh": pl.Expr.arctanh,
    "degrees": pl.Expr.degrees,
    "radians": pl.Expr.radians,
}
for _name, _expr in _POLARS.items():
    operation(_name, group=GROUP, params=(Float64,), returns=Float64)(lambda x, _expr=_expr: _expr(x.expr))
for _name, _function in (("expm1", np.expm1), ("rint", np.rint)):
    operation(_name, group=GROUP, params=(Float64,), returns=Float64)(functools.partial(_numpy, _function))
operation("hypot", group=GROUP, params=(Float64, Float64), returns=Float64)(
    functools.partial(_numpy, np.hypot)
)


@operation("sec", group=GROUP, params=(Float64,), returns=Float64)
def sec(x: Value) -> pl.Expr:
    return 1.0 / x.expr.cos()


@operation("csc", group=GROUP, params=(Float64,), returns=Float64)
def csc(x: Value) -> pl.Expr:
    return 1.0 / x.expr.sin()


@operation("pi", group=GROUP, returns=Float64)
def pi() -> pl.Expr:
    return pl.lit(math.pi)


@operation("e", group=GROUP, returns=Float64)
def e() -> pl.Expr:
    return pl.lit(math.e)


def _above(x: pl.Expr, bound: float, value: pl.Expr) -> pl.Expr:
    """`value` where x is above the asymptote (NaN is), else null."""
    return pl.when(x > bound).then(value).otherwise(None)


@operation("ln", group=GROUP, params=(Float64,), returns=Float64, notes="null for x <= 0")
def ln(x: Value) -> pl.Expr:
    return _above(x.expr, 0.0, x.expr.log())


@operation("log10", group=GROUP, params=(Float64,), returns=Float64, notes="null for x <= 0")
def log10(x: Value) -> pl.Expr:
    return _above(x.expr, 0.0, x.expr.log10())


@operation("log2", group=GROUP, params=(Float64,), returns=Float64, notes="null for x <= 0")
def log2(x: Value) -> pl.Expr:
    return _above(x.expr, 0.0, x.expr.log(2.0))


@operation("log1p", group=GROUP, params=(Float64,), returns=Float64, notes="null for x <= -1")
def log1p(x: Value) -> pl.Expr:
    return _above(x.expr, -1.0, x.expr.log1p())


@operation(
    "log",
    group=GROUP,
    params=(Float64, Float64),
    optional=1,
    returns=Float64,
    notes="log(base, x); null outside",
)
def log(base: Value, x: Value | None = None) -> pl.Expr:
    if x is None:
        return ln(base)
    inside = (base.expr > 0.0) & (x.expr > 0.0)
    return pl.when(inside).then(divided(x.expr.log(), base.expr.log())).otherwise(None)


@operation("power", "pow", group=GROUP, params=(Float64, Float64), returns=Float64)
def power(x: Value, y: Value) -> pl.Expr:
    """Java's Math.pow, which unlike C gives NaN for 1 to an infinite or NaN power."""
    unsure = (x.expr.abs() == 1.0) & ~y.expr.is_finite()
    endless = (x.expr == -math.inf) & (y.expr == 0.5)
    return pl.when(unsure).then(math.nan).when(endless).then(math.inf).otherwise(x.expr.pow(y.expr))


@operation("asinh", group=GROUP, params=(Float64,), returns=Float64)
def asinh(x: Value) -> pl.Expr:
    """By Spark's own formula, which loses digits for negative numbers."""
    return (x.expr + (x.expr * x.expr + 1.0).sqrt()).log()


@operation("acosh", group=GROUP, params=(Float64,), returns=Float64)
def acosh(x: Value) -> pl.Expr:
    return (x.expr + (x.expr * x.expr - 1.0).sqrt()).log()


@operation("atan2", group=GROUP, params=(Float64, Float64), returns=Float64)
def atan2(y: Value, x: Value) -> pl.Expr:
    return pl.arctan2(*(pl.when(v.expr == 0.0).then(0.0).otherwise(v.expr) for v in (y, x)))


@operation("signum", "sign", group=GROUP, params=(Float64,), returns=Float64)
def signum(x: Value) -> pl.Expr:
    return pl.when(x.expr.is_nan()).then(x.expr).otherwise(x.expr.sign())


@operation("abs", group=GROUP, params=(Kind.NUMERIC,), returns=same, result="as its argument")
def absolute(x: Value) -> pl.Expr:
    if isinstance(x.type, Decimal):
        return pl.when(decimals.unscaled(x.expr) < 0).then(negated(x.expr, x.type)).otherwise(x.expr)
    return x.expr.abs()


@operation("factorial", group=GROUP, params=(Int32,), returns=Int64, notes="null outside 0 to 20")
def factorial(x: Value) -> pl.Expr:
    table = pl.lit(pl.Series([[math.factorial(i) for i in range(21)]], dtype=pl.List(pl.Int64))).first()
    return table.list.get(pl.when(x.expr.is_between(0, 20)).then(x.expr), null_on_oob=True)


@operation("width_bucket", group=GROUP, params=(Float64, Float64, Float64, Int64), returns=Int64)
def width_bucket(x: Value, low: Value, high: Value, count: Value) -> pl.Expr:
    a, b, n = low.expr, high.expr, count.expr
    valid = (n > 0) & (n < 2**63 - 1) & (a != b) & ~x.expr.is_nan() & a.is_finite() & b.is_finite()
    lower, upper = pl.min_horizontal(a, b), pl.max_horizontal(a, b)
    rising = saturated(divided(n.cast(pl.Float64) * (x.expr - lower), upper - lower), Int64) + 1
    falling = saturated(divided(n.cast(pl.Float64) * (upper - x.expr), upper - lower), Int64) + 1
    ascending = pl.when(x.expr < lower).then(int64(0)).when(x.expr >= upper).then(n + 1).otherwise(rising)
    descending = pl.when(x.expr > upper).then(int64(0)).when(x.expr <= lower).then(n + 1).otherwise(falling)
    return pl.when(valid).then(pl.when(a < b).then(ascending).otherwise(descending)).otherwise(None)


@operation("hex", group=GROUP, params=((Int64, Bytes, String),), returns=String)
def hexadecimal(x: Value) -> pl.Expr:
    if x.type == Int64:
        return per_value(lambda n: format(n & 0xFFFFFFFFFFFFFFFF, "X"), x.expr, returns=String)
    return x.expr.cast(pl.Binary).bin.encode("hex").str.to_uppercase()


@operation("unhex", group=GROUP, params=(String,), returns=Bytes, by_value=True)
def unhex(x: Value) -> pl.Expr:
    def read(text: str) -> bytes | None:
        try:
            return (
                bytes.fromhex(text if len(text) % 2 == 0 else "0" + text)
                if text.isalnum() or not text
                else None
            )
        except ValueError:
            return None

    return per_value(read, x.expr, returns=Bytes)


@operation("bin", group=GROUP, params=(Int64,), returns=String, by_value=True)
def binary_digits(x: Value) -> pl.Expr:
    return per_value(lambda n: format(n & 0xFFFFFFFFFFFFFFFF, "b"), x.expr, returns=String)


@operation("conv", group=GROUP, params=(String, Int32, Int32), returns=String, by_value=True)
def conv(x: Value, source: Value, target: Value) -> pl.Expr:
    return per_value(_conv, x.expr, source.expr, target.expr, returns=String)


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _conv(text: str, source: int, target: int) -> str | None:
    """Hive's conv: unsigned 64 bits, held at the end; a negative target base prints a sign."""
    if not (2 <= source <= 36 and 2 <= abs(target) <= 36) or not (text := text.strip(" ")):
        return None
    negative = text.startswith("-")
    value = 0
    for c in text[negative:].upper():
        digit = _DIGITS.find(c)
        if not 0 <= digit < source:
            break
        value = value * source + digit
    full = 2**64 - 1
    value = min(value, full)
    if negative:
        unsigned = full if value >= 2**63 else -value & full
        value = -min(value, 2**63) if target < 0 else unsigned
    elif target < 0 and value >= 2**63:
        value -= 2**64
    sign, value = ("-", -value) if value < 0 else ("", value)
    out = ""
    while value:
        value, digit = divmod(value, abs(target))
        out = _DIGITS[digit] + out
    return sign + (out or "0")
