"""A typed, compiled piece of an expression.

Owns what is known of it before any row is seen: its type, the columns it reads, whether it is the same on
every row (then its value), and whether a second computing gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from headrace.expressions.columns import constant
from headrace.types import DataType, Date, Timestamp


@dataclass(frozen=True)
class Constant:
    """A value known when the expression is declared: timestamps as microseconds, dates as days."""

    value: Any


@dataclass(frozen=True)
class Value:
    """`expr` yields `type.polars` for every row; a constant yields one value that Polars spreads."""

    type: DataType
    expr: pl.Expr
    columns: frozenset[str] = frozenset()
    deterministic: bool = True
    constant: Constant | None = None
    is_literal: bool = False

    @property
    def known(self) -> Any:
        """The value of a constant; None also where it is no constant."""
        return None if self.constant is None else self.constant.value


def literal(value: object, type_: DataType) -> Value:
    return Value(type_, constant(value, type_), constant=Constant(value), is_literal=True)


def combined(type_: DataType, expr: pl.Expr, inputs: Iterable[Value], *, deterministic: bool = True) -> Value:
    """`expr` over `inputs`; computed at once where all of them are constants."""
    inputs = tuple(inputs)
    columns = frozenset().union(*(v.columns for v in inputs))
    stable = deterministic and all(v.deterministic for v in inputs)
    if stable and all(v.constant is not None for v in inputs):
        return folded(type_, expr)
    return Value(type_, expr, columns, stable)


def folded(type_: DataType, expr: pl.Expr) -> Value:
    """The constant that `expr`, which reads no column, comes to."""
    column = pl.select(expr.alias("value"))["value"].cast(type_.polars)
    if type_ in (Timestamp, Date):
        column = column.to_physical()
        value = column.item()
        return Value(type_, constant(value, type_), constant=Constant(value))
    value = column.to_list()[0]
    one = constant(value, type_) if not column.dtype.is_nested() else pl.lit(column).first()
    return Value(type_, one, constant=Constant(value))
