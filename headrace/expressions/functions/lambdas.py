"""Functions that take a lambda: transform, filter, exists, forall, aggregate, and their kin for maps.

The body is compiled once; at run time the array is taken apart into one flat frame of its elements, beside
the columns that the body reads, and the body runs over that frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions import syntax
from headrace.expressions.coercion import Kind, wider
from headrace.expressions.columns import per_column
from headrace.expressions.ragged import ROW, exploded, gathered
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import Bool, DataType, Int32, List, Map, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "lambda"


class Body:
    """A lambda bound with its variables as columns ``__x0``, ``__x1`` .. of the flat frame."""

    def __init__(self, binder: Binder, name: str, node: syntax.Node, types: Sequence[DataType]) -> None:
        if not isinstance(node, syntax.Lambda):
            node = syntax.Lambda(node.pos, (), node)  # a value that does not look at the element
        if len(node.params) > len(types):
            raise binder.error(
                f"the lambda of `{name}` takes {len(types)} variables at most, got {len(node.params)}",
                "wrong_arity",
            )
        before = binder.variables
        binder.variables = before | {
            p.lower(): Value(t, pl.col(f"__x{i}"), frozenset([f"__x{i}"]))
            for i, (p, t) in enumerate(zip(node.params, types, strict=False))
        }
        try:
            self.value = binder.bind(node.body)
        finally:
            binder.variables = before
        if any(c.startswith("__x") for v in before.values() for c in v.columns):
            raise binder.error("a lambda inside a lambda is not supported", "unsupported")
        self.outer = sorted(c for c in self.value.columns if not c.startswith("__x"))

    def over(self, lines: pl.DataFrame, variables: dict[str, pl.Expr]) -> pl.DataFrame:
        """`lines` with the body's result as column ``__result``."""
        renamed = lines.rename({f"__{i}": c for i, c in enumerate(self.outer)})
        named = renamed.with_columns(**variables)
        return named.with_columns(self.value.expr.alias("__result"))

    def inputs(self) -> list[pl.Expr]:
        return [pl.col(c) for c in self.outer]

    def combine(self, t: DataType, expr: pl.Expr, array: Value) -> Value:
        seen = Value(self.value.type, self.value.expr, frozenset(self.outer), self.value.deterministic)
        out = combined(t, expr, (array, seen)) if self.outer or array.constant is None else None
        return out or Value(t, expr, array.columns, seen.deterministic)


def _array(binder: Binder, name: str, node: syntax.Node) -> tuple[Value, DataType]:
    array = binder.bind(node)
    if not isinstance(array.type, List):
        raise binder.mismatch(f"`{name}` takes an array, got {array.type.spark}")
    return array, array.type.item


def _boolean(binder: Binder, name: str, body: Body) -> None:
    if body.value.type != Bool:
        raise binder.mismatch(f"the lambda of `{name}` must be boolean, got {body.value.type.spark}")


_ELEMENT = {"__x0": pl.col("__element"), "__x1": pl.col("__position").cast(pl.Int32)}


@operation("transform", group=GROUP, params=(Kind.ARRAY, Kind.ANY), syntactic=True, result="array")
def transform(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    array, item = _array(binder, "transform", args[0])
    body = Body(binder, "transform", args[1], (item, Int32))
    t = List(body.value.type)

    def run(xs: pl.Series, *others: pl.Series) -> pl.Series:
        lines = body.over(exploded(xs, others), _ELEMENT)
        return gathered(lines, "__result", xs, body.value.type)

    return body.combine(t, per_column(run, array.expr, *body.inputs(), returns=t), array)


@operation("filter", group=GROUP, params=(Kind.ARRAY, Kind.ANY), syntactic=True, result="as its argument")
def filter_array(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    array, item = _array(binder, "filter", args[0])
    body = Body(binder, "filter", args[1], (item, Int32))
    _boolean(binder, "filter", body)

    def run(xs: pl.Series, *others: pl.Series) -> pl.Series:
        lines = body.over(exploded(xs, others), _ELEMENT).filter(pl.col("__result"))
        return gathered(lines, "__element", xs, item)

    return body.combine(array.type, per_column(run, array.expr, *body.inputs(), returns=array.type), array)


def _quantified(binder: Binder, name: str, args: Sequence[syntax.Node]) -> Value:
    array, item = _array(binder, name, args[0])
    body = Body(binder, name, args[1], (item,))
    _boolean(binder, name, body)
    wanted = name == "exists"

    def run(xs: pl.Series, *others: pl.Series) -> pl.Series:
        lines = body.over(exploded(xs, others), {"__x0": pl.col("__element")})
        result = pl.col("__result")
        hit = result if wanted else ~result
        by_row = lines.group_by(ROW).agg(
            hit.fill_null(False).any().alias("__hit"), result.is_null().any().alias("__hole")
        )
        rows = pl.DataFrame({ROW: pl.int_range(len(xs), dtype=pl.Int64, eager=True), "__null": xs.is_null()})
        joined = rows.join(by_row, on=ROW, how="left", maintain_order="left")
        out = (
            pl.when(pl.col("__null"))
            .then(None)
            .when(pl.col("__hit").fill_null(False))
            .then(wanted)
            .when(pl.col("__hole").fill_null(False))
            .then(None)
            .otherwise(not wanted)
        )
        return joined.select(out.alias("out"))["out"]

    return body.combine(Bool, per_column(run, array.expr, *body.inputs(), returns=Bool), array)


@operation("exists", group=GROUP, params=(Kind.ARRAY, Kind.ANY), syntactic=True, result="boolean")
def exists(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    return _quantified(binder, "exists", args)


@operation("forall", group=GROUP, params=(Kind.ARRAY, Kind.ANY), syntactic=True, result="boolean")
def forall(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    return _quantified(binder, "forall", args)


@operation(
    "aggregate",
    "reduce",
    group=GROUP,
    params=(Kind.ARRAY, Kind.ANY, Kind.ANY, Kind.ANY),
    optional=1,
    syntactic=True,
    result="type of the start value",
)
def aggregate(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    """Folds the elements in order; one pass over the column for each position in the longest array."""
    array, item = _array(binder, "aggregate", args[0])
    start = binder.bind(args[1])
    t = start.type
    merge = Body(binder, "aggregate", args[2], (t, item))
    if merge.value.type != t:
        met = wider(t, merge.value.type, promote_strings=False)
        if met != t:
            raise binder.mismatch(
                f"the lambda of `aggregate` must give {t.spark} as the start value is, got {merge.value.type.spark}",
                f"Cast the start value: `cast(... as {merge.value.type.spark})`.",
            )
    step = binder.cast(merge.value, t)
    finish = Body(binder, "aggregate", args[3], (t,)) if len(args) > 3 else None
    outer = sorted({*merge.outer, *(finish.outer if finish else ())})
    out_type = finish.value.type if finish else t

    def run(xs: pl.Series, first: pl.Series, *others: pl.Series) -> pl.Series:
        frame = pl.DataFrame({"__array": xs.alias("a"), "__x0": first.alias("b")})
        frame = frame.with_columns(**dict(zip(outer, others, strict=True)))
        longest = max(xs.list.len().drop_nulls().to_list(), default=0)
        for i in range(longest):
            there = pl.col("__array").list.len() > i
            frame = frame.with_columns(pl.col("__array").list.get(i, null_on_oob=True).alias("__x1"))
            frame = frame.with_columns(pl.when(there).then(step.expr).otherwise(pl.col("__x0")).alias("__x0"))
        result = finish.value.expr if finish else pl.col("__x0")
        return frame.select(pl.when(pl.col("__array").is_not_null()).then(result).alias("out"))["out"]

    inputs = [array.expr, start.expr, *(pl.col(c) for c in outer)]
    expr = per_column(run, *inputs, returns=out_type)
    columns = array.columns | start.columns | frozenset(outer)
    stable = array.deterministic and start.deterministic and step.deterministic
    return Value(out_type, expr, columns, stable)


def _map(binder: Binder, name: str, node: syntax.Node) -> tuple[Value, Map]:
    value = binder.bind(node)
    if not isinstance(value.type, Map):
        raise binder.mismatch(f"`{name}` takes a map, got {value.type.spark}")
    return value, value.type


_PAIR = {
    "__x0": pl.col("__element").struct.field("key"),
    "__x1": pl.col("__element").struct.field("value"),
}


@operation("map_filter", group=GROUP, params=(Kind.MAP, Kind.ANY), syntactic=True, result="as its argument")
def map_filter(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    value, t = _map(binder, "map_filter", args[0])
    body = Body(binder, "map_filter", args[1], (t.key, t.value))
    _boolean(binder, "map_filter", body)
    entry = Struct((("key", t.key), ("value", t.value)))

    def run(xs: pl.Series, *others: pl.Series) -> pl.Series:
        lines = body.over(exploded(xs, others), _PAIR).filter(pl.col("__result"))
        return gathered(lines, "__element", xs, entry)

    return body.combine(t, per_column(run, value.expr, *body.inputs(), returns=t), value)


@operation("transform_values", group=GROUP, params=(Kind.MAP, Kind.ANY), syntactic=True, result="map")
def transform_values(binder: Binder, args: Sequence[syntax.Node]) -> Value:
    value, t = _map(binder, "transform_values", args[0])
    body = Body(binder, "transform_values", args[1], (t.key, t.value))
    out = Map(t.key, body.value.type)
    entry = Struct((("key", out.key), ("value", out.value)))

    def run(xs: pl.Series, *others: pl.Series) -> pl.Series:
        lines = body.over(exploded(xs, others), _PAIR)
        pair = pl.struct(pl.col("__x0").alias("key"), pl.col("__result").alias("value"))
        return gathered(lines.with_columns(pair.alias("__pair")), "__pair", xs, entry)

    return body.combine(out, per_column(run, value.expr, *body.inputs(), returns=out), value)
