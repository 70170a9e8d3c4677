"""Which entities the demo shows: of each view those with most events in what is coming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.demo.recomputing import rows_of
from headrace.online.keys import KeySpace
from headrace.plan import ViewPlan

HORIZON = 20_000
"""Coming flights that decide."""


@dataclass(frozen=True)
class Shown:
    """A view with the entities of it that are shown.

    `keys` are their texts, `redis_keys` their names in Redis; `entity_at[place]` is which of them a flight of the
    replayed frame counts for, -1 for none.
    """

    plan: ViewPlan
    keys: tuple[str, ...]
    redis_keys: tuple[str, ...]
    entity_at: NDArray[np.int8]


def shown(plan: ViewPlan, space: KeySpace, flights: pl.DataFrame, coming: Sequence[int], most: int) -> Shown:
    """The at most `most` entities of the view that flights at the places `coming` count for most often."""
    places = np.arange(len(flights))
    rows = rows_of(
        plan,
        flights.with_columns(
            pl.Series("_offset", places),
            _partition=pl.lit(0, dtype=pl.Int32),
            _timestamp=pl.col("scheduled_at").cast(pl.Int64),
        ),
    ).select("_key", pl.col("_order").alias("place"))  # with one partition the order is the offset
    soon = rows.filter(pl.col("place").is_in(coming))
    busiest = soon["_key"].value_counts(sort=True).sort("count", "_key", descending=[True, False])
    keys = tuple(sorted(busiest["_key"].head(most).to_list()))
    entity_at = np.full(len(flights), -1, np.int8)
    for number, key in enumerate(keys):
        entity_at[rows.filter(pl.col("_key") == key)["place"].to_numpy()] = number
    return Shown(plan, keys, tuple(space.redis_key(k) for k in keys), entity_at)
