"""Projecting: from a source's accepted frame to a view's rows. Vectorised; the only Python is the view's
transform.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from headrace.definitions.transforms import Transform
from headrace.expressions import Expression
from headrace.online.keys import entity_key
from headrace.plan.rows import Dead, Projected
from headrace.plan.transforming import transformed
from headrace.types import DataType


class Projection:
    """The row level of one view, ready to run. `schema` are the columns that its features see."""

    def __init__(
        self,
        *,
        columns: tuple[tuple[str, Expression], ...],
        where: Expression | None,
        transform: Transform | None,
        before: Mapping[str, DataType],
        schema: Mapping[str, DataType],
        keys: Mapping[str, DataType],
        inputs: Mapping[str, pl.Expr],
    ) -> None:
        self._columns = columns
        self._where = where
        self._transform = transform
        self.before = dict(before)
        self.schema = dict(schema)
        key = [pl.col(k).cast(t.polars) for k, t in keys.items()]
        self._key = entity_key(key, list(keys.values())).alias("_key")
        self._inputs = [expr.alias(name) for name, expr in inputs.items()]

    def run(self, frame: pl.DataFrame) -> Projected:
        """The view's rows of an accepted frame (`Accepted.frame`), in its order."""
        lazy = frame.lazy()
        for name, expression in self._columns:
            lazy = lazy.with_columns(expression.polars.cast(expression.type.polars).alias(name))
        if self._where is not None:
            lazy = lazy.filter(self._where.polars)
        dead: list[Dead] = []
        if self._transform is not None:
            rows = lazy.collect()
            rows, dead = transformed(rows, self._transform, self.before, self.schema)
            lazy = rows.lazy()
        out = lazy.select(
            pl.col("_partition").cast(pl.Int32),
            self._key,
            pl.col("_event_time").cast(pl.Int64),
            pl.col("_order").cast(pl.Int64),
            "_row",
            *self._inputs,
        ).collect()
        nulls: list[int] = []
        if out["_key"].null_count():
            nulls = out.filter(pl.col("_key").is_null())["_row"].to_list()
            out = out.filter(pl.col("_key").is_not_null())
        return Projected(out.drop("_row"), len(nulls), dead, nulls)
