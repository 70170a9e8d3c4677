"""History as any reader of Delta sees it; without a line of ours."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

Place = tuple[str, int, int]


def stored(uri: str, options: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Every row of a table; an empty frame while there is none."""
    try:
        table = DeltaTable(uri, storage_options=dict(options or {}))
    except (TableNotFoundError, OSError):
        return pl.DataFrame()
    return pl.DataFrame(pl.from_arrow(table.to_pyarrow_table()))


def places_of(rows: pl.DataFrame) -> list[Place]:
    """(topic, partition, offset) of each row, in order; one that is there twice is twice in the list."""
    if rows.is_empty():
        return []
    return sorted(rows.select("_topic", "_partition", "_offset").iter_rows())
