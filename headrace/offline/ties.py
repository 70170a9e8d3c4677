"""Equal times of an entity: which views need the order in which the log has them, and what stands in for it elsewhere.

Counts, sums and extremes do not ask which of two events at one instant came first. For them the log's places are not
read; so that sums of floats repeat bit for bit, whatever files events are in, equal times then stand by their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from headrace.aggregates.algebra import Algebra
from headrace.aggregates.extremes import Largest, LargestBytes, Smallest, SmallestBytes
from headrace.aggregates.moments import Moments
from headrace.aggregates.partials import Ints
from headrace.aggregates.sums import Count, ExactSum, FloatSum, WideSum
from headrace.offline.timeline import Timeline
from headrace.panes.features import Feature

_ROUNDED: frozenset[type[Algebra]] = frozenset({FloatSum, Moments})
_EXACT: frozenset[type[Algebra]] = frozenset(
    {Count, ExactSum, WideSum, Smallest, Largest, SmallestBytes, LargestBytes}
)


def is_orderless(features: Iterable[Feature]) -> bool:
    """Whether no feature depends on the order among equal times, but for its rounding."""
    return all(type(a) in _ROUNDED | _EXACT for f in features for p in f.parts for a in p.compiled.algebras)


def rounded(features: Iterable[Feature]) -> list[str]:
    """The inputs, all of them numbers, whose order decides what is rounded away."""
    parts = [p for f in features for p in f.parts]
    names = {p.input for p in parts for a in p.compiled.algebras if type(a) in _ROUNDED}
    return sorted(n for n in names if n is not None)


def by_value(timeline: Timeline, rows: pl.DataFrame, by: Ints | None, names: Sequence[str]) -> Ints | None:
    """The permutation `by` that sorts `rows` (None: they are sorted), with equal times of an entity by the columns
    `names`."""
    tied = timeline.time[1:] == timeline.time[:-1]
    inner = timeline.starts[(timeline.starts > 0) & (timeline.starts < len(timeline))]
    tied[inner - 1] = False
    if not names or not tied.any():
        return by
    some = np.zeros(len(timeline), "?")
    some[1:] = tied
    some[:-1] |= tied
    at = np.flatnonzero(some)
    begins = np.ones(len(timeline), "?")
    begins[1:] = ~tied
    run = np.cumsum(begins)[at]
    permutation = np.arange(len(timeline)) if by is None else by.copy()
    values = rows.select(pl.col(names).gather(permutation[at]))
    keyed = values.with_columns(pl.Series("_run", run)).with_row_index("_at")
    permutation[at] = permutation[at][keyed.sort("_run", *names)["_at"].to_numpy()]
    return permutation
