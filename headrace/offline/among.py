"""A condition that the events of a few entities meet, and that statistics of files can answer without opening them.

It lets others through, too: ranges of keys, a few for each key column. Refuses to cost more than it saves: for many
entities there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_

import polars as pl

MANY = 10_000
"""Above so many keys ranges would leave little out."""

RANGES = 16


def among(keys: pl.DataFrame) -> pl.Expr | None:
    """What events of these entities (typed keys by column) meet; None for too many of them, and for none."""
    parts = [_within(keys[name]) for name in keys.columns]
    found = [p for p in parts if p is not None]
    return reduce(and_, found) if found else None


def any_of(conditions: Sequence[pl.Expr | None]) -> pl.Expr | None:
    """What meets any of them; None where one lets everything through."""
    found = [c for c in conditions if c is not None]
    return reduce(or_, found) if found and len(found) == len(conditions) else None


def _within(keys: pl.Series) -> pl.Expr | None:
    known = keys.drop_nulls().unique()
    if not 0 < len(known) <= MANY or keys.dtype == pl.Boolean:
        return None
    known = known.sort()
    size = -(-len(known) // RANGES)
    column = pl.col(keys.name)
    ranges = [known.slice(i, size) for i in range(0, len(known), size)]
    bounds = [(_bound(r, 0), _bound(r, len(r) - 1)) for r in ranges]
    return reduce(or_, [column.is_between(first, last) for first, last in bounds])


def _bound(keys: pl.Series, at: int) -> pl.Expr:
    return pl.lit(keys[at], dtype=keys.dtype)
