"""Decimal precision and arithmetic, exact.

Owns Spark's rules for the precision and scale of a result (DecimalPrecision, DecimalType) and rounding half
up, which Polars does not do. A decimal column is computed on as its unscaled Int128; where the digits of an
intermediate may pass 38, Python's decimal does that value.
"""

from __future__ import annotations

import decimal

import polars as pl

from headrace.expressions.columns import int128, per_value, staged
from headrace.types import DataType, Decimal, Int8, Int16, Int32, Int64, Primitive

MAX = 38
MIN_ADJUSTED_SCALE = 6
OF_INTEGER: dict[DataType, Decimal] = {
    Int8: Decimal(3, 0),
    Int16: Decimal(5, 0),
    Int32: Decimal(10, 0),
    Int64: Decimal(20, 0),
}
OF_FLOAT = {"Float32": Decimal(14, 7), "Float64": Decimal(30, 15)}
SYSTEM_DEFAULT = Decimal(38, 18)
_CONTEXT = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP)


def of_type(t: DataType) -> Decimal:
    """The decimal that holds a numeric type (Spark's DecimalType.forType)."""
    if isinstance(t, Decimal):
        return t
    if t in OF_INTEGER:
        return OF_INTEGER[t]
    assert isinstance(t, Primitive)
    return OF_FLOAT[t.name]


def of_literal(value: int) -> Decimal:
    """The narrowest decimal of an integer literal."""
    return Decimal(len(str(abs(value))), 0)


def wider(a: Decimal, b: Decimal) -> Decimal:
    """The decimal that holds both, digits before the point cut at 38 in all."""
    scale = max(a.scale, b.scale)
    whole = max(a.precision - a.scale, b.precision - b.scale)
    return Decimal(min(whole + scale, MAX), min(scale, MAX))


def adjusted(precision: int, scale: int) -> Decimal:
    """Spark's adjustPrecisionScale: past 38 digits the scale gives way, down to 6."""
    if precision <= MAX:
        return Decimal(precision, scale)
    whole = precision - scale
    return Decimal(MAX, max(MAX - whole, min(scale, MIN_ADJUSTED_SCALE)))


def result_type(op: str, a: Decimal, b: Decimal) -> Decimal:
    """Type of ``a op b`` for + - * / % (Spark's Add, Subtract, Multiply, Divide, Remainder)."""
    if op in "+-":
        scale = max(a.scale, b.scale)
        return adjusted(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)
    if op == "*":
        return adjusted(a.precision + b.precision + 1, a.scale + b.scale)
    if op == "/":
        scale = max(MIN_ADJUSTED_SCALE, a.scale + b.precision + 1)
        return adjusted(a.precision - a.scale + b.scale + scale, scale)
    scale = max(a.scale, b.scale)
    return adjusted(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)


def unscaled(column: pl.Expr) -> pl.Expr:
    return column.to_physical()


def from_unscaled(whole: pl.Expr, t: Decimal) -> pl.Expr:
    """The decimal whose unscaled value is `whole`; null where it has more than `t.precision` digits."""
    fits = (whole < int128(10**t.precision)) & (whole > int128(-(10**t.precision)))
    return pl.when(fits).then(whole).otherwise(None).reinterpret(dtype=pl.Decimal(t.precision, t.scale))


def from_integer(column: pl.Expr, t: Decimal) -> pl.Expr:
    whole = column.cast(pl.Int128)
    limit = 10 ** (t.precision - t.scale)
    fits = (whole < int128(limit)) & (whole > int128(-limit))
    return from_unscaled(pl.when(fits).then(whole).otherwise(None) * int128(10**t.scale), t)


def negated(whole: pl.Expr) -> pl.Expr:
    """Minus an Int128, which Polars cannot negate."""
    return int128(0) - whole


def half_up(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """`numerator / denominator` rounded half away from zero, on Int128; null where the denominator is 0."""
    n, d = numerator.abs(), denominator.abs()
    q = n // d
    rounded = q + ((n - q * d) * 2 >= d).cast(pl.Int128)
    return pl.when((numerator < 0) != (denominator < 0)).then(negated(rounded)).otherwise(rounded)


def rescale(column: pl.Expr, a: Decimal, t: Decimal) -> pl.Expr:
    """A decimal of type `a` as one of type `t`, rounded half up; null where it does not fit."""
    if a == t:
        return column
    whole = unscaled(column)
    if t.scale >= a.scale:
        shift = 10 ** (t.scale - a.scale)
        if a.precision + t.scale - a.scale <= MAX:
            return from_unscaled(whole * int128(shift), t)
        limit = 10**t.precision // shift
        fits = (whole < int128(limit)) & (whole > int128(-limit))
        return from_unscaled(pl.when(fits).then(whole).otherwise(None) * int128(shift), t)
    return from_unscaled(half_up(whole, int128(10 ** (a.scale - t.scale))), t)


def quantized(value: decimal.Decimal, t: Decimal) -> decimal.Decimal | None:
    """A Python decimal in the scale of `t`, half up; None where it does not fit."""
    if not value.is_finite():
        return None
    out = value.quantize(decimal.Decimal(1).scaleb(-t.scale), context=_CONTEXT)
    return out if abs(out) < decimal.Decimal(10) ** (t.precision - t.scale) else None


def arithmetic(op: str, x: pl.Expr, a: Decimal, y: pl.Expr, b: Decimal) -> pl.Expr:
    """``x op y`` of type `result_type`; null on overflow and on division by zero."""
    t = result_type(op, a, b)
    if op == "*":
        if a.precision + b.precision <= MAX:
            return _shifted(unscaled(x) * unscaled(y), a.scale + b.scale, t)
        return per_value(lambda p, q: _exactly("*", p, q, t), x, y, returns=t)
    if op == "/":
        shift = t.scale - a.scale + b.scale
        if shift >= 0 and a.precision + shift < MAX:
            numerator, denominator = unscaled(pl.col("x")) * int128(10**shift), unscaled(pl.col("y"))
            steps = {"whole": half_up(numerator, denominator)}, {"result": from_unscaled(pl.col("whole"), t)}
            return staged({"x": x, "y": y}, *steps, returns=t)
        return per_value(lambda p, q: _exactly("/", p, q, t), x, y, returns=t)
    scale = max(a.scale, b.scale)
    if max(a.precision - a.scale, b.precision - b.scale) + scale + 1 > MAX:
        return per_value(lambda p, q: _exactly(op, p, q, t), x, y, returns=t)
    p, q = unscaled(x) * int128(10 ** (scale - a.scale)), unscaled(y) * int128(10 ** (scale - b.scale))
    if op == "%":
        return _shifted(remainder(p, q), scale, t)
    return _shifted(p + q if op == "+" else p - q, scale, t)


def remainder(p: pl.Expr, q: pl.Expr) -> pl.Expr:
    """Java's remainder on Int128: the sign of `p`; null where `q` is 0."""
    r = p.abs() % q.abs()
    return pl.when(p < 0).then(negated(r)).otherwise(r)


def _shifted(whole: pl.Expr, scale: int, t: Decimal) -> pl.Expr:
    if scale <= t.scale:
        return from_unscaled(whole * int128(10 ** (t.scale - scale)), t)
    return from_unscaled(half_up(whole, int128(10 ** (scale - t.scale))), t)


def _exactly(op: str, p: decimal.Decimal, q: decimal.Decimal, t: Decimal) -> decimal.Decimal | None:
    c = _CONTEXT
    if op in "/%" and q == 0:
        return None
    if op == "*":
        # Spark multiplies in MathContext(38, HALF_UP) before it takes the result's scale.
        return quantized(
            decimal.Context(prec=38, rounding=decimal.ROUND_HALF_UP, Emax=999, Emin=-999).multiply(p, q), t
        )
    if op == "/":
        return quantized(c.divide(p, q).quantize(decimal.Decimal(1).scaleb(-38), context=c), t)
    if op == "%":
        return quantized(c.remainder(p, q), t)
    return quantized(c.add(p, q) if op == "+" else c.subtract(p, q), t)
