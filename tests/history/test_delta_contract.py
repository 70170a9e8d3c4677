"""What we rely on in delta-rs, tried on delta-rs itself: a new version that breaks one of these breaks
history.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

SCHEMA = pa.schema([("at", pa.timestamp("us", "UTC")), ("n", pa.int64()), ("_date", pa.date32())])
AT = datetime(2026, 1, 1, 0, 0, 0, 999_999, UTC)


def create(folder: Path, **properties: str) -> str:
    DeltaTable.create(
        str(folder),
        SCHEMA,
        partition_by=["_date"],
        configuration={f"delta.{k}": v for k, v in properties.items()},
    )
    return str(folder)


def append(table: DeltaTable | str, application: str, version: int, rows: int = 1) -> None:
    data = pa.table(
        {"at": [AT] * rows, "n": [version] * rows, "_date": [date(2026, 1, 1)] * rows}, schema=SCHEMA
    )
    moves = CommitProperties(app_transactions=[Transaction(application, version)])
    write_deltalake(table, data, mode="append", partition_by=["_date"], commit_properties=moves)


def test_two_handles_at_one_snapshot_conflict_on_one_transaction(tmp_path: Path) -> None:
    uri = create(tmp_path)
    first, second = DeltaTable(uri), DeltaTable(uri)
    append(first, "p0", 10)
    with pytest.raises(CommitFailedError):
        append(second, "p0", 10)
    assert DeltaTable(uri).count() == 1
    assert DeltaTable(uri).transaction_version("p0") == 10


def test_two_handles_at_one_snapshot_do_not_conflict_on_different_transactions(tmp_path: Path) -> None:
    uri = create(tmp_path)
    first, second = DeltaTable(uri), DeltaTable(uri)
    append(first, "p0", 10)
    append(second, "p1", 5)
    assert second.transaction_version("p0") == 10
    assert second.transaction_version("p1") == 5
    assert second.count() == 2


def test_a_commit_by_uri_checks_nothing_which_is_why_we_never_do(tmp_path: Path) -> None:
    uri = create(tmp_path)
    append(uri, "p0", 10)
    append(uri, "p0", 9)
    assert DeltaTable(uri).transaction_version("p0") == 9


def test_transactions_outlive_checkpoints_and_the_cleaning_of_the_log(tmp_path: Path) -> None:
    uri = create(tmp_path, checkpointInterval="5", logRetentionDuration="interval 0 seconds")
    table = DeltaTable(uri)
    append(table, "p1", 7)
    for version in range(12):
        append(table, "p0", version)
    DeltaTable(uri).create_checkpoint()
    DeltaTable(uri).cleanup_metadata()
    assert not (tmp_path / "_delta_log" / f"{1:020}.json").exists()
    reopened = DeltaTable(uri)
    assert (reopened.transaction_version("p0"), reopened.transaction_version("p1")) == (11, 7)
    assert reopened.count() == 13


def test_a_commit_without_rows_still_carries_its_transaction(tmp_path: Path) -> None:
    uri = create(tmp_path)
    append(DeltaTable(uri), "p0", 10, rows=0)
    assert DeltaTable(uri).transaction_version("p0") == 10


def test_statistics_that_are_cut_to_milliseconds_hide_no_row(tmp_path: Path) -> None:
    uri = create(tmp_path, dataSkippingNumIndexedCols="-1")
    append(DeltaTable(uri), "p0", 10)
    after = datetime(2026, 1, 1, 0, 0, 0, 999_500, UTC)
    assert pl.scan_delta(uri).filter(pl.col("at") > after).collect().height == 1
    dataset = DeltaTable(uri).to_pyarrow_dataset()
    assert dataset.to_table(filter=pc.field("at") > pa.scalar(after, SCHEMA.field("at").type)).num_rows == 1


def test_statistics_are_kept_of_every_column(tmp_path: Path) -> None:
    many = pa.schema([*[(f"c{i}", pa.int64()) for i in range(50)], ("_date", pa.date32())])
    properties = {"delta.dataSkippingNumIndexedCols": "-1"}
    table = DeltaTable.create(str(tmp_path), many, partition_by=["_date"], configuration=properties)
    data = pa.table({**{f"c{i}": [i] for i in range(50)}, "_date": [date(2026, 1, 1)]}, schema=many)
    write_deltalake(table, data, mode="append", partition_by=["_date"])
    (added,) = pa.table(DeltaTable(str(tmp_path)).get_add_actions(flatten=True)).to_pylist()
    assert (added["min.c49"], added["max.c49"]) == (49, 49)
