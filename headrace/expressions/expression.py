"""A compiled expression: what it is, what it reads, and how it is run over a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from headrace.errors import ExpressionError
from headrace.expressions.bind import Binder
from headrace.expressions.grammar import parse
from headrace.expressions.intervals import Interval
from headrace.functions import Function
from headrace.types import DataType, List, Map, Struct

NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})


@dataclass(frozen=True)
class Expression:
    """A row expression, checked against a schema and compiled.

    `type` is its Spark type; `columns` are the columns of the schema it reads, as the schema spells them;
    `polars` gives exactly `type.polars` for every frame, empty ones too, whatever the cut of the rows;
    `deterministic` is False where it draws random numbers (then it also reads `_topic`, `_partition` and
    `_offset`, so that a replay draws the same).
    """

    text: str
    type: DataType
    columns: frozenset[str]
    deterministic: bool
    polars: pl.Expr = field(compare=False, repr=False)

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """One value for each row of `frame`, named as the text."""
        made = frame.lazy().with_columns(self.polars.alias("__value")).collect()  # lazy: common parts once
        return made["__value"].alias(self.text)


def compile_expression(
    text: str, schema: Mapping[str, DataType], *, functions: Mapping[str, Function] = NO_FUNCTIONS
) -> Expression:
    """Parses, checks and compiles one Spark SQL row expression.

    Column names are found without regard to case. `functions` are the user's, by name. Raises
    ExpressionError, whose `reason` says of which kind the mistake is.
    """
    value = Binder(text, schema, functions).bind(parse(text))
    if _has_interval(value.type):
        raise ExpressionError(
            f"the result is an {value.type.spark}, which no column or feature can hold",
            reason="unsupported",
            expression=text,
            hint="Add it to a date or timestamp, or compare it; `timestampdiff(SECOND, a, b)` gives a number.",
        )
    return Expression(
        text, value.type, value.columns, value.deterministic, value.expr.cast(value.type.polars)
    )


def _has_interval(t: DataType) -> bool:
    if isinstance(t, List):
        return _has_interval(t.item)
    if isinstance(t, Map):
        return _has_interval(t.key) or _has_interval(t.value)
    if isinstance(t, Struct):
        return any(_has_interval(m) for _, m in t.fields)
    return isinstance(t, Interval)
