"""Features: the values of a view from the partials of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.functions import Compiled
from headrace.aggregates.partials import Bools, Partials
from headrace.types import DataType, Float64


@dataclass(frozen=True)
class Part:
    """One aggregate of a feature: which window of which level, and which of its slots make the value."""

    level: int
    window: int
    slots: tuple[int, ...]
    compiled: Compiled


@dataclass(frozen=True)
class Feature:
    """A feature as computed: one part, or two for a ratio.

    `default` is a one-row column in place of the value over no events, or None; `cast` turns a column ``v``
    of `inferred` into `type`, or is None.
    """

    name: str
    type: DataType
    inferred: DataType
    parts: tuple[Part, ...]
    default: pl.Series | None = None
    cast: pl.Expr | None = None

    def value(self, partials: Sequence[Sequence[Partials]]) -> tuple[pl.Series, Bools, int]:
        """The column of this feature, which rows have any event in it, and how many values were capped."""
        shown = [part.compiled.finish(p) for part, p in zip(self.parts, partials, strict=True)]
        has = np.logical_or.reduce([p.has for parts in partials for p in parts])
        column, capped = shown[0][0], sum(c for _, c in shown)
        given = has
        if len(shown) == 2:
            column = _ratio(column, shown[1][0])
            given = partials[1][0].has
        if self.cast is not None:
            column = column.to_frame("v").select(self.cast).to_series()
        if self.default is not None and not given.all():
            column = column.zip_with(pl.Series(given), self.default.new_from_index(0, len(column)))
        return column.alias(self.name), has, capped


def _ratio(a: pl.Series, b: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"a": a.cast(Float64.polars), "b": b.cast(Float64.polars)})
    return frame.select(pl.when(pl.col("b") != 0).then(pl.col("a") / pl.col("b"))).to_series()
