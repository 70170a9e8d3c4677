"""Features: the values of a view from the partials of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.aggregates.functions import Compiled
from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.types import DataType, Float64
from headrace.windows import FOREVER, Window


@dataclass(frozen=True)
class Part:
    """One aggregate of a feature: which window of which level, and which of its slots make the value.

    What it is without panes: `function` with `options` over the projected column `input` (None: the rows), of
    type `over_type`, in the window `over` (with its step).
    """

    level: int
    window: int
    slots: tuple[int, ...]
    compiled: Compiled
    function: str
    options: tuple[tuple[str, object], ...]
    input: str | None
    over_type: DataType
    over: Window


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

    def shown(self, values: Sequence[pl.Series], given: Bools) -> pl.Series:
        """The feature's column from its parts' values; `given` is false where its default stands in."""
        column = values[0] if len(values) == 1 else _ratio(values[0], values[1])
        if self.cast is not None:
            column = column.to_frame("v").select_seq(self.cast).to_series()
        if self.default is not None and not given.all():
            column = column.zip_with(pl.Series(given), self.default.new_from_index(0, len(column)))
        return column.alias(self.name)

    def value(self, partials: Sequence[Sequence[Partials]], t: Ints) -> tuple[pl.Series, Bools, int]:
        """The column of this feature as of `t` of each row, which rows have any event in it, and how many
        values were capped."""
        shown = []
        for part, given in zip(self.parts, partials, strict=True):
            decay = part.compiled.decay
            shown.append(part.compiled.finish(given if decay is None else [decay.as_of(given[0], t)]))
        has = np.logical_or.reduce([p.has for parts in partials for p in parts])
        at_all = partials[-1][0].has  # a ratio is over no events where its divisor is
        return self.shown([s for s, _ in shown], at_all), has, sum(c for _, c in shown)

    def next_fall(self, partials: Sequence[Sequence[Partials]], t: Ints) -> Ints:
        """The next instant after `t` at which decay moves the value of each row; FOREVER for none."""
        falls = np.full(len(t), FOREVER)
        for part, given in zip(self.parts, partials, strict=True):
            if part.compiled.decay is not None:
                falls = np.minimum(falls, part.compiled.decay.after(given[0], t))
        return falls

    def over_no_events(self) -> pl.Series:
        """The value over no events, a column of one row."""
        levels = [[a.empty(1) for a in part.compiled.algebras] for part in self.parts]
        return self.value(levels, np.zeros(1, "i8"))[0]


def _ratio(a: pl.Series, b: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"a": a.cast(Float64.polars), "b": b.cast(Float64.polars)})
    return frame.select_seq(pl.when(pl.col("b") != 0).then(pl.col("a") / pl.col("b"))).to_series()
