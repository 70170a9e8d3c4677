"""Upkeep changes files, never rows or positions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from headrace.errors import StateError
from headrace.history.read import read_history
from headrace.history.upkeep import compact, vacuum
from tests.history.events import T0, events, offsets, open_table

P0 = ("pay", 0)


def test_small_files_of_a_date_become_one_and_rows_and_positions_stay(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    for i in range(6):
        table.append(events(i, i + 1, at=T0 + timedelta(days=i % 2)), {P0: (i, i + 1)})
    assert compact(str(tmp_path)) == (6, 2)
    assert len(DeltaTable(str(tmp_path)).file_uris()) == 2
    assert offsets(read_history(str(tmp_path))) == list(range(6))
    assert table.position("pay", 0) == 6
    assert compact(str(tmp_path)) == (0, 0)


def test_a_writer_goes_on_over_a_compaction(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    for i in range(4):
        table.append(events(i, i + 1), {P0: (i, i + 1)})
        compact(str(tmp_path))
    assert offsets(read_history(str(tmp_path))) == [0, 1, 2, 3]


def test_an_older_version_is_still_readable_after_a_compaction_and_a_vacuum(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    for i in range(3):
        table.append(events(i, i + 1), {P0: (i, i + 1)})
    compact(str(tmp_path))
    assert vacuum(str(tmp_path)) == []
    assert offsets(read_history(str(tmp_path), version=2)) == [0, 1]


def test_a_vacuum_that_could_take_files_in_use_is_refused(tmp_path: Path) -> None:
    open_table(tmp_path)
    with pytest.raises(StateError, match="retention"):
        vacuum(str(tmp_path), hours=1)


def test_files_are_compressed_with_zstd(tmp_path: Path) -> None:
    open_table(tmp_path).append(events(0, 10), {P0: (0, 10)})
    (file,) = tmp_path.glob("_date=*/*.parquet")
    assert pq.read_metadata(file).row_group(0).column(0).compression == "ZSTD"
