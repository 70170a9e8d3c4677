"""round, bround, ceil and floor: by the decimal text of a double, half up or half even, as Spark rounds."""

from __future__ import annotations

import decimal
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from headrace.expressions import decimals
from headrace.expressions.cast.numbers import saturated
from headrace.expressions.coercion import Kind, implicit
from headrace.expressions.columns import int128, per_column
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import FLOATS, INTEGERS, DataType, Decimal, Float32, Float64, Int32, Int64, Null

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

MODES = {"round": decimal.ROUND_HALF_UP, "bround": decimal.ROUND_HALF_EVEN}
EXACT = 2.0**52


def _scale(binder: Binder, name: str, scale: Value | None) -> int | None:
    """The scale, which Spark wants to know before any row is seen; None where it is null."""
    if scale is None:
        return 0
    if scale.constant is None or implicit(scale.type, Int32) is None:
        raise binder.mismatch(f"the scale of `{name}` must be a constant integer")
    known = binder.cast(scale, Int32).known
    return None if known is None else int(known)


def _round(name: str, binder: Binder, x: Value, scale: Value | None = None) -> Value:
    if implicit(x.type, Kind.NUMERIC) is None:
        raise binder.mismatch(f"`{name}` takes a number, got {x.type.spark}")
    x = binder.cast(x, implicit(x.type, Kind.NUMERIC) or Float64)
    places = _scale(binder, name, scale)
    if isinstance(x.type, Decimal):
        return _round_decimal(name, x, x.type, places or 0, missing=places is None)
    if places is None:
        return combined(x.type, pl.when(x.expr.is_null()).then(x.expr), (x,))
    if x.type in INTEGERS:
        return combined(x.type, _round_integer(name, x, places), (x,))
    run = functools.partial(_round_float, MODES[name], places, x.type == Float32)
    return combined(x.type, per_column(run, x.expr, returns=x.type), (x,))


for _name in MODES:
    operation(
        _name,
        group="math",
        params=(Kind.NUMERIC, Int32),
        optional=1,
        raw=True,
        result="as its argument",
        notes="half up" if _name == "round" else "half even",
    )(functools.partial(_round, _name))


def _round_decimal(name: str, x: Value, t: Decimal, places: int, *, missing: bool) -> Value:
    kept = min(max(places, 0), t.scale)
    whole = t.precision - t.scale + 1
    out = Decimal(min(max(whole, -places + 1), 38), 0) if places < 0 else Decimal(min(whole + kept, 38), kept)
    if missing:
        return combined(out, pl.lit(None, dtype=out.polars), (x,))
    rounded = _divided(name, decimals.unscaled(x.expr), t.scale - min(places, t.scale))
    if places < 0:
        rounded = rounded * int128(10 ** min(-places, 38))
    return combined(out, decimals.from_unscaled(rounded, out), (x,))


def _divided(name: str, whole: pl.Expr, digits: int) -> pl.Expr:
    """`whole` over 10 to the `digits`, rounded."""
    if digits <= 0:
        return whole
    if digits > 38:
        return whole * 0
    by = int128(10**digits)
    if name == "round":
        return decimals.half_up(whole, by)
    n = whole.abs()
    q = n // by
    rest = (n - q * by) * 2
    even = q + ((rest > by) | ((rest == by) & (q % 2 == 1))).cast(pl.Int128)
    return pl.when(whole < 0).then(decimals.negated(even)).otherwise(even)


def _round_integer(name: str, x: Value, places: int) -> pl.Expr:
    if places >= 0:
        return x.expr
    rounded = _divided(name, x.expr.cast(pl.Int128), -places)
    if -places <= 38:
        rounded = rounded * int128(10 ** min(-places, 37))
    return rounded.cast(x.type.polars, wrap_numerical=True)


def _round_float(mode: str, places: int, single: bool, column: pl.Series) -> pl.Series:
    """Rounds the shortest decimal text of each value. Where the double's product with the power of ten is far
    from a tie, its nearest integer is the same; the rest goes through Python's decimal, value by value."""
    missing = column.is_null()
    x = column.fill_null(0.0).to_numpy().astype(np.float64)
    out = x.copy()
    finite = np.isfinite(x) & (x != 0)
    if 0 <= places <= 22:
        power = 10.0**places
        with np.errstate(all="ignore"):
            scaled = np.abs(x) * power
            part = scaled - np.floor(scaled)
            sure = (
                finite
                & (scaled < EXACT / 16)
                & (np.abs(part - 0.5) > 1e-6 * np.maximum(scaled, 1.0) * 1e-6 + 1e-7)
            )
        out[sure] = np.copysign(np.floor(scaled[sure] + 0.5) / power, x[sure])
        unsure = finite & ~sure
    else:
        unsure = finite
    quantum = decimal.Decimal(1).scaleb(-places)
    context = decimal.Context(prec=400, rounding=mode)
    for i in np.flatnonzero(unsure):
        out[i] = float(context.quantize(decimal.Decimal(repr(float(x[i]))), quantum))
    out = np.where(out == 0, 0.0, out)
    return pl.Series(out.astype(np.float32) if single else out).set(missing, None)


def _whole(name: str, binder: Binder, x: Value, scale: Value | None = None) -> Value:
    """ceil and floor: a bigint, a decimal of scale 0, or with a scale a decimal."""
    if scale is not None:
        return _whole_to(name, binder, x, scale)
    t = implicit(x.type, (Float64, Kind.DECIMAL, Int64))
    if t is None or t == Null:
        raise binder.mismatch(f"`{name}` takes a number, got {x.type.spark}")
    if isinstance(t, Decimal):
        x = binder.cast(x, t)
        out = Decimal(min(t.precision - t.scale + 1, 38), 0)
        return combined(
            out, decimals.from_unscaled(_directed(name, decimals.unscaled(x.expr), t.scale), out), (x,)
        )
    if x.type in INTEGERS:
        return binder.cast(x, Int64)
    x = binder.cast(x, Float64)
    function: Callable[[pl.Expr], pl.Expr] = pl.Expr.ceil if name == "ceil" else pl.Expr.floor
    return combined(Int64, saturated(function(x.expr), Int64), (x,))


def _whole_to(name: str, binder: Binder, x: Value, scale: Value) -> Value:
    places = _scale(binder, name, scale)
    if implicit(x.type, Kind.DECIMAL) is None:
        raise binder.mismatch(f"`{name}` takes a number, got {x.type.spark}")
    t: DataType = (
        decimals.of_type(x.type) if x.type in (*INTEGERS, *FLOATS) else implicit(x.type, Kind.DECIMAL) or Null
    )
    assert isinstance(t, Decimal)
    x = binder.cast(x, t)
    wanted = places or 0
    kept = min(max(wanted, 0), t.scale)
    whole = t.precision - t.scale + 1
    out = Decimal(min(max(whole, -wanted + 1), 38), 0) if wanted < 0 else Decimal(min(whole + kept, 38), kept)
    rounded = _directed(name, decimals.unscaled(x.expr), t.scale - min(wanted, t.scale))
    if wanted < 0:
        rounded = rounded * int128(10 ** min(-wanted, 38))
    return combined(out, decimals.from_unscaled(rounded, out), (x,))


def _directed(name: str, whole: pl.Expr, digits: int) -> pl.Expr:
    if digits <= 0:
        return whole
    by = int128(10 ** min(digits, 38))
    down = whole // by
    return down + (down * by != whole).cast(pl.Int128) if name == "ceil" else down


operation(
    "ceil",
    "ceiling",
    group="math",
    params=(Kind.NUMERIC, Int32),
    optional=1,
    raw=True,
    result="bigint or decimal",
)(functools.partial(_whole, "ceil"))
operation(
    "floor", group="math", params=(Kind.NUMERIC, Int32), optional=1, raw=True, result="bigint or decimal"
)(functools.partial(_whole, "floor"))
