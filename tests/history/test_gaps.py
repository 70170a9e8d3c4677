"""A gap is what a table was given and has no more; an offset that never had an event is none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from headrace.history.files import lost
from headrace.history.gaps import Gap, Whole, gaps_of, refuse, remaining
from headrace.history.read import read_history
from headrace.history.upkeep import compact
from tests.history.events import T0, events, offsets, open_table

P0, P1 = ("pay", 0), ("pay", 1)
WRITER = "headrace/shop/pay"


def found(folder: Path, version: int | None = None) -> Whole:
    return gaps_of(DeltaTable(str(folder), version=version), WRITER, ["pay"])


def delete(folder: Path, where: str) -> None:
    DeltaTable(str(folder)).delete(where)


def test_a_table_as_it_was_written_has_no_gap(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    assert found(tmp_path) == Whole()
    table.append(events(5, 8), {P0: (5, 8)})
    open_table(tmp_path).append(events(0, 4, partition=3), {("pay", 3): (0, 4)})
    table.append(events(8, 9), {P0: (8, 9)})
    compact(str(tmp_path))
    assert found(tmp_path) == Whole()


def test_offsets_that_never_had_an_event_are_no_gap(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(
        events(2, 4), {P0: (0, 6)}
    )  # dead letters before, the control records of a transaction behind
    table.append(events(0, 0), {P0: (6, 9), P1: (4, 5)})
    table.append(events(12, 13), {P0: (9, 14)})
    assert found(tmp_path) == Whole()


@pytest.mark.parametrize(
    ("where", "gap", "told"),
    [
        (
            "_offset >= 3 and _offset < 7",
            Gap("pay", 0, 4, ((3, 7),)),
            "pay/0 lacks 4 events at offsets 3 to 6",
        ),
        ("_offset < 2", Gap("pay", 0, 2, ((0, 2),)), "pay/0 lacks 2 events at offsets 0 to 1"),
        ("_offset in (4, 9)", Gap("pay", 0, 2, ((4, 5), (9, 10))), "pay/0 lacks 2 events at offsets 4, 9"),
        ("_partition = 0", Gap("pay", 0, 10, ((0, 10),)), "pay/0 lacks 10 events at offsets 0 to 9"),
    ],
)
def test_what_was_deleted_is_named(tmp_path: Path, where: str, gap: Gap, told: str) -> None:
    table = open_table(tmp_path)
    for i in range(0, 10, 5):
        table.append(events(i, i + 5), {P0: (i, i + 5), P1: (i, i + 5)})
    table.append(events(10, 13, partition=1), {P1: (10, 13)})
    delete(tmp_path, where)
    assert found(tmp_path) == Whole((gap,))
    assert str(gap) == told


def test_a_gap_among_offsets_without_events_is_counted_exactly(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(events(0, 4), {P0: (0, 6)})
    table.append(events(6, 8), {P0: (6, 8)})
    delete(tmp_path, "_offset = 1")
    (gap,) = found(tmp_path).gaps
    assert gap == Gap("pay", 0, 1, ((1, 2), (4, 6)))
    assert str(gap) == "pay/0 lacks 1 event among the offsets 1, 4 to 5"


def test_a_gap_stays_one_while_history_grows_and_older_versions_have_none(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(events(0, 5), {P0: (0, 5)})
    whole = DeltaTable(str(tmp_path)).version()
    delete(tmp_path, "_offset = 2")
    table.append(events(5, 7), {P0: (5, 7)})
    open_table(tmp_path).append(events(7, 9), {P0: (7, 9)})
    assert found(tmp_path).gaps == (Gap("pay", 0, 1, ((2, 3),)),)
    assert found(tmp_path, whole) == Whole()


def test_what_was_deleted_is_put_back_from_an_older_version(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(events(0, 5), {P0: (0, 5)})
    whole = DeltaTable(str(tmp_path)).version()
    delete(tmp_path, "_offset = 2")
    table.append(events(5, 7), {P0: (5, 7)})
    lost = pl.scan_delta(str(tmp_path), version=whole).filter(pl.col("_offset") == 2).collect()
    lost.write_delta(str(tmp_path), mode="append")
    assert found(tmp_path) == Whole()
    assert offsets(read_history(str(tmp_path))) == list(range(7))


def test_a_file_that_the_store_lost_is_a_gap_and_the_rest_is_readable(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    for i in range(3):
        table.append(events(i * 4, i * 4 + 4, at=T0 + timedelta(days=i)), {P0: (i * 4, i * 4 + 4)})
    (file,) = (tmp_path / "_date=2026-11-22").glob("*.parquet")
    file.unlink()
    assert found(tmp_path) == Whole()
    gone = lost(DeltaTable(str(tmp_path)), str(tmp_path), {})
    assert gone == [f"_date=2026-11-22/{file.name}"]
    whole = gaps_of(DeltaTable(str(tmp_path)), WRITER, ["pay"], gone)
    assert whole == Whole((Gap("pay", 0, 4, ((4, 8),)),), tuple(gone))
    kept = remaining(DeltaTable(str(tmp_path)), whole.gone)
    assert offsets(kept) == [0, 1, 2, 3, 8, 9, 10, 11]
    assert kept.collect_schema() == remaining(DeltaTable(str(tmp_path)), ()).collect_schema()


def test_where_nobody_kept_account_each_offset_between_two_has_an_event(tmp_path: Path) -> None:
    for start, end in ((3, 5), (8, 9)):
        write_deltalake(str(tmp_path), events(start, end).to_arrow(), mode="append")
    assert found(tmp_path).gaps == (Gap("pay", 0, 3, ((5, 8),)),)


def test_a_table_without_offsets_has_no_gap(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), events(0, 2).select("user", "at").to_arrow())
    assert found(tmp_path) == Whole()


def test_the_error_names_some_and_counts_the_rest() -> None:
    many = [Gap("pay", p, 9, tuple((2 * i, 2 * i + 1) for i in range(9))) for p in range(7)]
    told = str(refuse("payments", "lake/payments", many))
    assert (
        "source `payments` at lake/payments has a gap: pay/0 lacks 9 events at offsets 0, 2, 4, 6, 8" in told
    )
    assert "8 and 4 more runs; pay/1" in told
    assert "; and 2 more partitions. Values would be wrong" in told
    assert "pay/5" not in told
    assert "--allow-gaps" in told
