"""Work on columns of arrays and maps that `list.eval` cannot do: where the elements meet other columns.

An array column is taken apart into its elements and the row each belongs to, worked on as one flat frame,
and put together again. Nothing loops over rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.columns import per_column
from headrace.types import DataType, Map

if TYPE_CHECKING:
    from headrace.expressions.value import Value

ROW = "__row"


def exploded(array: pl.Series, others: Sequence[pl.Series] = ()) -> pl.DataFrame:
    """One line for each element, in order: `ROW`, ``__position`` (from 0), ``__element``, and ``__0``,
    ``__1`` .. of its row. Rows that are null or empty have no line."""
    height = len(array)
    rows = pl.DataFrame({ROW: pl.int_range(height, dtype=pl.Int64, eager=True), "__array": array.alias("x")})
    rows = rows.with_columns(
        pl.int_ranges(0, pl.col("__array").list.len().cast(pl.Int64)).alias("__position")
    )
    for i, other in enumerate(others):
        rows = rows.with_columns(other.alias(f"__{i}"))
    full = rows.filter(pl.col("__array").list.len() > 0)
    return full.explode("__array", "__position").rename({"__array": "__element"})


def gathered(lines: pl.DataFrame, value: str, like: pl.Series, item: DataType) -> pl.Series:
    """The values of `lines` as arrays again, in line order; a row without lines is empty, and null where
    `like` is null."""
    made = lines.group_by(ROW, maintain_order=True).agg(pl.col(value).alias("__value"))
    rows = pl.DataFrame({ROW: pl.int_range(len(like), dtype=pl.Int64, eager=True), "__null": like.is_null()})
    joined = rows.join(made, on=ROW, how="left", maintain_order="left")
    empty = pl.lit(pl.Series([[]], dtype=pl.List(item.polars))).first()
    out = pl.when(pl.col("__null")).then(None).otherwise(pl.coalesce(pl.col("__value"), empty))
    return joined.select(out.cast(pl.List(item.polars)).alias("out"))["out"]


def scattered(lines: pl.DataFrame, value: str, height: int) -> pl.Series:
    """One value a row from `lines`, which have at most one line a row; null for rows without."""
    rows = pl.DataFrame({ROW: pl.int_range(height, dtype=pl.Int64, eager=True)})
    return rows.join(lines.select(ROW, value), on=ROW, how="left", maintain_order="left")[value]


def map_lookup(base: Value, key: Value) -> pl.Expr:
    """The value of a map at a key; null where there is none."""
    t = base.type
    assert isinstance(t, Map)
    if key.constant is not None:
        found = pl.element().filter(pl.element().struct.field("key") == key.expr)
        return base.expr.list.eval(found).list.first().struct.field("value")

    def look(maps: pl.Series, keys: pl.Series) -> pl.Series:
        lines = exploded(maps, [keys])
        pair = pl.col("__element").struct
        hits = lines.filter(pair.field("key") == pl.col("__0")).unique(ROW, keep="first")
        return scattered(hits.with_columns(pair.field("value").alias("__value")), "__value", len(maps))

    return per_column(look, base.expr, key.expr, returns=t.value)
