"""``& | ^ ~``, shifts and bit counts on integers, as Java has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.coercion import Kind, tightest
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import INTEGERS, Bool, DataType, Int8, Int32, Int64, Null

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder


def _integers(binder: Binder, op: str, a: Value, b: Value) -> tuple[Value, Value, DataType]:
    t = tightest(a.type, b.type)
    t = Int32 if t == Null else t
    if t not in INTEGERS:
        raise binder.mismatch(f"`{op}` takes integers, got {a.type.spark} and {b.type.spark}")
    return binder.cast(a, t), binder.cast(b, t), t


@operation("&", group="operators", params=(Kind.INTEGRAL, Kind.INTEGRAL), raw=True, operator=True)
def bit_and(binder: Binder, a: Value, b: Value) -> Value:
    a, b, t = _integers(binder, "&", a, b)
    return combined(t, a.expr & b.expr, (a, b))


@operation("|", group="operators", params=(Kind.INTEGRAL, Kind.INTEGRAL), raw=True, operator=True)
def bit_or(binder: Binder, a: Value, b: Value) -> Value:
    a, b, t = _integers(binder, "|", a, b)
    return combined(t, a.expr | b.expr, (a, b))


@operation("^", group="operators", params=(Kind.INTEGRAL, Kind.INTEGRAL), raw=True, operator=True)
def bit_xor(binder: Binder, a: Value, b: Value) -> Value:
    a, b, t = _integers(binder, "^", a, b)
    return combined(t, a.expr ^ b.expr, (a, b))


@operation("~", group="operators", params=(Kind.INTEGRAL,), raw=True, operator=True)
def bit_not(binder: Binder, a: Value) -> Value:
    if a.type == Null:
        a = binder.cast(a, Int32)
    if a.type not in INTEGERS:
        raise binder.mismatch(f"`~` takes an integer, got {a.type.spark}")
    return combined(a.type, -1 - a.expr, (a,))


SHIFTED = ((Int32, Int64), Int32)


def _amount(x: Value, by: Value) -> pl.Expr:
    """Java takes only the low five or six bits of the amount."""
    return by.expr & (31 if x.type == Int32 else 63)


def _power(x: Value, by: Value) -> pl.Expr:
    """2 to the amount, as Int128, so that the top bit does not change the sign."""
    one = pl.lit(1, dtype=pl.Int128)
    amount, power = _amount(x, by), one
    for bit in (1, 2, 4, 8, 16, 32):
        power = power * pl.when((amount & bit) != 0).then(pl.lit(1 << bit, dtype=pl.Int128)).otherwise(one)
    return pl.when(by.expr.is_not_null()).then(power)


def _same(args: object) -> DataType:
    return args[0].type  # type: ignore[index,no-any-return]


@operation("shiftleft", group="bits", params=SHIFTED, returns=_same)
def shift_left(x: Value, by: Value) -> pl.Expr:
    wide = x.expr.cast(pl.Int128) * _power(x, by)
    return wide.cast(x.type.polars, wrap_numerical=True)


@operation("shiftright", group="bits", params=SHIFTED, returns=_same)
def shift_right(x: Value, by: Value) -> pl.Expr:
    return (x.expr.cast(pl.Int128) // _power(x, by)).cast(x.type.polars, wrap_numerical=True)


@operation("shiftrightunsigned", group="bits", params=SHIFTED, returns=_same)
def shift_right_unsigned(x: Value, by: Value) -> pl.Expr:
    bits = 32 if x.type == Int32 else 64
    wide = x.expr.cast(pl.Int128)
    unsigned = pl.when(wide < 0).then(wide + pl.lit(1 << bits, dtype=pl.Int128)).otherwise(wide)
    return (unsigned // _power(x, by)).cast(x.type.polars, wrap_numerical=True)


@operation("bit_count", group="bits", params=((Kind.INTEGRAL, Bool),), returns=Int32)
def bit_count(x: Value) -> pl.Expr:
    """Set bits of the value as a bigint (a negative int counts its 64-bit form)."""
    return x.expr.cast(pl.Int64).bitwise_count_ones().cast(pl.Int32)


@operation("getbit", "bit_get", group="bits", params=(Kind.INTEGRAL, Int32), returns=Int8)
def get_bit(x: Value, place: Value) -> pl.Expr:
    wide = x.expr.cast(pl.Int128) // _power(Value(Int64, x.expr), place)
    return (wide % 2).cast(pl.Int8)
