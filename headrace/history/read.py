"""History as everybody else reads it: a Polars frame for us, an Arrow dataset for DuckDB and the like.

Reads the table's newest version (or a stated one) through its commit log, never by listing files: a file that
is there need not be in the table. With DuckDB, offline and without its delta extension:

    import duckdb, deltalake
    flights = deltalake.DeltaTable("history/demo/sources/flights").to_pyarrow_dataset()
    duckdb.sql("select origin, count(*) from flights group by all")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
from deltalake import DeltaTable

from headrace.history.storage import ATTEMPTS, RETRYING, Options, named_errors
from headrace.history.table import stored_types

if TYPE_CHECKING:
    import pyarrow.dataset as ds

PATIENCE: Final = {"max_retries": ATTEMPTS, "retry_timeout_ms": 1000 * RETRYING}
"""How Polars reads what delta-rs is told as text (`storage_options`); timeouts have the same names for both."""


def read_history(
    uri: str, storage_options: Options | None = None, *, version: int | None = None
) -> pl.LazyFrame:
    """A lazy scan of the table with the types that `headrace.types` gives (a map is a List of key and value).

    Dates and other filters are pushed down to partitions and file statistics. No order is promised: sort by
    ``_topic, _partition, _offset`` for the log's. Raises StateError if there is no table, SettingsError,
    UnavailableError.
    """
    with named_errors(uri):
        return scan(DeltaTable(uri, version=version, storage_options=dict(storage_options or {})))


def scan(table: DeltaTable, only: Sequence[str] | None = None) -> pl.LazyFrame:
    """As `read_history`, of a table that is open; `only` of these of its files."""
    lazy = pl.scan_delta(table, storage_options=PATIENCE) if only is None else _scan_some(table, only)
    have = lazy.collect_schema()
    want = {n: t.polars for n, t in stored_types(table).items()}
    return lazy.with_columns(pl.col(n).cast(t) for n, t in want.items() if have[n] != t)


def _scan_some(table: DeltaTable, only: Sequence[str]) -> pl.LazyFrame:
    import pyarrow.dataset as ds  # with it comes pandas: a second for who needs neither

    whole = table.to_pyarrow_dataset()
    kept = [f for f in whole.get_fragments() if f.path.endswith(tuple(only))]
    some = ds.FileSystemDataset(kept, whole.schema, whole.format, whole.filesystem)
    return pl.scan_pyarrow_dataset(some)


def history_dataset(
    uri: str, storage_options: Options | None = None, *, version: int | None = None
) -> ds.Dataset:
    """The table as a PyArrow dataset, which DuckDB scans by the name of the variable that holds it."""
    with named_errors(uri):
        return DeltaTable(
            uri, version=version, storage_options=dict(storage_options or {})
        ).to_pyarrow_dataset()


def for_polars(options: Options) -> dict[str, str | int] | None:
    """delta-rs's options as Polars takes them; None for a local disk."""
    return {**options, **PATIENCE} if options else None
