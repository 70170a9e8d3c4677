"""An on-demand view's plan: row expressions over features, keys and a request's own columns, compiled once.

The same plan serves queries and computes training sets; nothing here knows which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.definitions import FeatureView, OnDemandView
from headrace.errors import UsageError
from headrace.expressions import Expression, compile_expression
from headrace.functions import Function
from headrace.types import DataType


@dataclass(frozen=True)
class OnDemandPlan:
    """A compiled on-demand view. `inputs` are the columns that its expressions may use, with their types;
    `request` those of them that a query brings; `feature_types` in the view's order."""

    view: OnDemandView
    inputs: Mapping[str, DataType]
    request: Mapping[str, DataType]
    feature_types: Mapping[str, DataType]
    expressions: Mapping[str, Expression]

    @property
    def needs(self) -> set[str]:
        """The inputs that its expressions read."""
        return {c for e in self.expressions.values() for c in e.columns if c in self.inputs}

    def evaluate(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A typed column a feature, for each row of `frame`, which has `needs` in their types.

        UsageError for a column that is missing. Random functions are seeded by the row's number.
        """
        missing = sorted(self.needs - set(frame.columns))
        if missing:
            raise UsageError(
                f"the on-demand view {self.view.name} needs {', '.join(missing)}, which the request does not have"
            )
        typed = frame.select(pl.col(n).cast(t.polars) for n, t in self.inputs.items() if n in frame.columns)
        rows = typed.with_columns(
            pl.lit("").alias("_topic"),
            pl.lit(0, dtype=pl.Int32).alias("_partition"),
            pl.Series("_offset", np.arange(len(frame)), dtype=pl.Int64),
        )
        return pl.DataFrame(
            [e.evaluate(rows).cast(e.type.polars).alias(n) for n, e in self.expressions.items()]
        )


def plan_on_demand(
    view: OnDemandView,
    feature_types: Mapping[str, Mapping[str, DataType]],
    functions: Mapping[str, Function],
) -> OnDemandPlan:
    """Compile an on-demand view; `feature_types` are those of its views, by id. Raises DefinitionError."""
    inputs: dict[str, DataType] = {}
    request: dict[str, DataType] = {}
    for given in view.inputs:
        if isinstance(given, FeatureView):
            inputs |= feature_types[given.id]
            inputs |= given.entity.keys
        else:
            request |= given.columns
    inputs |= request
    made = {
        name: compile_expression(text, inputs, functions=functions) for name, text in view.features.items()
    }
    return OnDemandPlan(view, inputs, request, {n: e.type for n, e in made.items()}, made)
