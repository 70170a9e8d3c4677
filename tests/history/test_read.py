"""History is read without our code as well as with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from headrace.errors import StateError
from headrace.history.read import history_dataset, read_history
from headrace.history.schema import HistorySchema
from headrace.history.upkeep import compact
from headrace.types import Int64, List, Map, String
from tests.history.events import T0, events, open_table

P0 = ("pay", 0)


def filled(folder: Path) -> str:
    table = open_table(folder)
    for i in range(0, 30, 10):
        table.append(events(i, i + 10), {P0: (i, i + 10)})
    return str(folder)


def test_polars_reads_the_table_as_it_is(tmp_path: Path) -> None:
    uri = filled(tmp_path)
    assert pl.scan_delta(uri).select(pl.col("amount").sum()).collect().item() == sum(range(30))
    assert pl.scan_delta(uri).filter(pl.col("_date") == T0.date()).collect().height == 30


def test_duckdb_reads_the_table_through_an_arrow_dataset_and_prunes(tmp_path: Path) -> None:
    payments = history_dataset(filled(tmp_path))
    query = (
        "select _date, count(*), sum(amount), max(_timestamp) from payments where amount >= 10 group by all"
    )
    assert duckdb.sql(query).pl().rows() == [(T0.date(), 20, sum(range(10, 30)), T0)]
    assert payments.schema.names[-1] == "_date"


def test_duckdb_reads_the_table_in_one_line_without_our_code(tmp_path: Path) -> None:
    uri = filled(tmp_path)
    compact(uri)  # After which a listing of the files would count every event twice.
    line = (
        f"import duckdb, deltalake; pay = deltalake.DeltaTable({uri!r}).to_pyarrow_dataset(); "
        "print(duckdb.sql('select count(*), max(_offset) from pay').fetchall())"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "[(30, 29)]\n"


def test_a_frame_has_the_types_of_headrace(tmp_path: Path) -> None:
    schema = HistorySchema({"m": Map(String, Int64), "l": List(Map(String, Int64))})
    frame = events(0, 2).select(pl.selectors.starts_with("_"))
    entries = [{"key": "a", "value": 1}]
    frame = frame.with_columns(
        m=pl.Series([entries, None], dtype=schema.columns["m"].polars),
        l=pl.Series([[entries, []], []], dtype=schema.columns["l"].polars),
    )
    open_table(tmp_path, schema).append(frame, {P0: (0, 2)})
    kept = read_history(str(tmp_path)).sort("_offset").collect()
    assert dict(kept.drop("_date").schema) == {n: t.polars for n, t in schema.types.items()}
    assert kept.select(frame.columns).equals(frame)


def test_a_version_of_the_past_is_read_as_it_was(tmp_path: Path) -> None:
    uri = filled(tmp_path)
    heights = [read_history(uri, version=v).collect().height for v in range(4)]
    assert heights == [0, 10, 20, 30]


def test_a_table_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=f"history at {tmp_path}/nothing"):
        read_history(f"{tmp_path}/nothing")
