"""Projecting: from a source's accepted frame to a view's rows. Vectorised; the only Python is the view's
transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import polars as pl

from headrace.definitions.transforms import Transform
from headrace.expressions import Expression
from headrace.online.keys import entity_key
from headrace.panes.duplicates import EVENT_ID
from headrace.panes.progress import RECORDED
from headrace.plan.rows import Dead, Projected
from headrace.plan.transforming import transformed
from headrace.types import DataType

_FEW = 2_000
"""Rows for which planning a query takes longer than running it as it stands."""
Rows = TypeVar("Rows", pl.DataFrame, pl.LazyFrame)


class Projection:
    """The row level of one view, ready to run. `schema` are the columns that its features see.

    `recorded`: the panes need the record's timestamp; `event_id`: the source's column of ids, as it is there, and its
    type, where copies are to be told.
    """

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
        recorded: bool = False,
        event_id: tuple[str, DataType] | None = None,
    ) -> None:
        self._columns = columns
        self._where = where
        self._transform = transform
        self.before = dict(before)
        self.schema = dict(schema)
        self._keys = {k: pl.col(k).cast(t.polars) for k, t in keys.items()}
        self._key = entity_key(list(self._keys.values()), list(keys.values())).alias("_key")
        self._id = None if event_id is None else entity_key([event_id[0]], [event_id[1]]).alias(EVENT_ID)
        self._meta = [pl.col(RECORDED).cast(pl.Int64)] if recorded or event_id else []
        self._meta += [] if event_id is None else [pl.col(EVENT_ID)]
        self._inputs = [expr.alias(name) for name, expr in inputs.items()]

    @property
    def needs(self) -> set[str]:
        """The columns of a source's frame that are read; those of ours among them begin with an underscore."""
        exprs = [e.polars for _, e in self._columns] + list(self._inputs) + list(self._keys.values())
        exprs += [] if self._where is None else [self._where.polars]
        exprs += [] if self._id is None else [self._id]
        wanted = {name for expr in exprs for name in expr.meta.root_names()}
        return wanted if self._transform is None else wanted | set(self.before)

    @property
    def plain_keys(self) -> bool:
        """Whether the entity's keys are columns of the source as they are."""
        made = {name for name, _ in self._columns}
        made |= set(self._transform.adds) if self._transform is not None else set()
        return not made & set(self._keys)

    def keys_and_inputs(self, frame: pl.DataFrame, kept: Sequence[str]) -> pl.DataFrame:
        """The view's rows: the entity's typed keys as ``_key0 _key1 ...``, the columns `kept` of the frame (their
        names begin with an underscore), and the inputs. Without rows that have a null key or fail the transform."""
        lazy, _ = self._rows(frame.lazy())
        keys = [e.alias(f"_key{i}") for i, e in enumerate(self._keys.values())]
        names = [f"_key{i}" for i in range(len(keys))]
        return lazy.select(*keys, *kept, *self._inputs).drop_nulls(names).collect()

    def run(self, frame: pl.DataFrame) -> Projected:
        """The view's rows of an accepted frame (`Accepted.frame`), in its order."""
        columns = [
            pl.col("_partition").cast(pl.Int32),
            self._key,
            pl.col("_event_time").cast(pl.Int64),
            pl.col("_order").cast(pl.Int64),
            "_row",
            *self._meta,
            *self._inputs,
        ]
        if len(frame) <= _FEW:
            few, dead = self._rows(frame)
            out = few.select_seq(columns)
        else:
            many, dead = self._rows(frame.lazy())
            out = many.select_seq(columns).collect()
        nulls: list[int] = []
        if out["_key"].null_count():
            nulls = out.filter(pl.col("_key").is_null())["_row"].to_list()
            out = out.filter(pl.col("_key").is_not_null())
        return Projected(out.drop("_row"), len(nulls), dead, nulls)

    def everything(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Everything made of each row (``_row``), in the order of making, whether the filter lets it pass or not:
        columns, the filter as ``where``, what the transform leaves, inputs. To try definitions on."""
        where = pl.lit(True) if self._where is None else self._where.polars
        lazy, _ = self._rows(frame.lazy(), filtered=False)
        made = [name for name, _ in self._columns]
        after = [name for name in self.schema if name not in made]
        inputs = [e for e in self._inputs if e.meta.output_name() not in self.schema]
        if self._transform is None:
            return lazy.select("_row", *made, where.alias("where"), *after, *inputs).collect()
        left = [name for name in made if name in self.schema]
        before = frame.lazy()
        for name, expression in self._columns:
            before = before.with_columns(expression.polars.cast(expression.type.polars).alias(name))
        first = before.select("_row", where.alias("where"))
        rows = lazy.select("_row", *left, *after, *inputs)
        return rows.join(first, on="_row", how="left", maintain_order="left").collect()

    def _rows(self, rows: Rows, *, filtered: bool = True) -> tuple[Rows, list[Dead]]:
        """The frame with the view's columns, without rows that its filter or its transform leaves out."""
        if self._id is not None:
            rows = rows.with_columns_seq(self._id)
        for name, expression in self._columns:
            rows = rows.with_columns_seq(expression.polars.cast(expression.type.polars).alias(name))
        if self._where is not None and filtered:
            rows = rows.filter(self._where.polars)
        if self._transform is None:
            return rows, []
        kept, dead = transformed(_collected(rows), self._transform, self.before, self.schema)
        return (kept if isinstance(rows, pl.DataFrame) else kept.lazy()), dead


def _collected(rows: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return rows if isinstance(rows, pl.DataFrame) else rows.collect()
