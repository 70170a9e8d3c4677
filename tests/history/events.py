"""Events of a small source, and its table in a folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.history.schema import HistorySchema
from headrace.history.table import HistoryTable
from headrace.types import Int64, String, Timestamp

SCHEMA = HistorySchema({"user": String, "amount": Int64, "at": Timestamp}, "at")
T0 = datetime(2026, 11, 21, 23, 59, 59, 999_999, UTC)


def events(
    start: int, end: int, *, topic: str = "pay", partition: int = 0, at: datetime = T0
) -> pl.DataFrame:
    """The events of offsets [start, end): user u{offset}, amount = offset."""
    offsets = list(range(start, end))
    n = len(offsets)
    return pl.DataFrame(
        {
            "user": pl.Series([f"u{i}" for i in offsets], dtype=pl.String),
            "amount": pl.Series(offsets, dtype=pl.Int64),
            "at": pl.Series([at] * n, dtype=pl.Datetime("us", "UTC")),
            "_topic": pl.Series([topic] * n, dtype=pl.String),
            "_partition": pl.Series([partition] * n, dtype=pl.Int32),
            "_offset": pl.Series(offsets, dtype=pl.Int64),
            "_timestamp": pl.Series([at] * n, dtype=pl.Datetime("us", "UTC")),
            "_ingested_at": pl.Series([at] * n, dtype=pl.Datetime("us", "UTC")),
        }
    )


def open_table(
    uri: Path | str, schema: HistorySchema = SCHEMA, options: dict[str, str] | None = None
) -> HistoryTable:
    table = HistoryTable(
        str(uri), schema, writer="headrace/shop/pay", storage_options=options, sleep=lambda _: None
    )
    table.open_or_create()
    return table


def offsets(frame: pl.LazyFrame, partition: int = 0) -> list[int]:
    """Every offset of a partition that is in the table, as often as it is there, in order."""
    of_partition = frame.filter(pl.col("_partition") == partition)
    return of_partition.select(pl.col("_offset").sort()).collect().to_series().to_list()
