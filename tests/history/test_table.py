"""A table in a folder: every event once, whoever writes and however often."""

from __future__ import annotations

import shutil
import threading
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.errors import FencedError, PositionError, SchemaError, SettingsError
from headrace.history.gaps import gaps_of
from headrace.history.read import read_history
from headrace.history.schema import HistorySchema
from headrace.types import Float32, Float64, Int32, Int64, List, Map, String, Struct, Timestamp
from tests.history.events import SCHEMA, T0, events, offsets, open_table

P0, P1 = ("pay", 0), ("pay", 1)


def test_events_are_kept_with_where_they_stood_and_the_date_they_fall_on(tmp_path: Path) -> None:
    table = open_table(tmp_path / "t")
    assert table.position("pay", 0) is None
    table.append(events(5, 8), {P0: (5, 10)})
    assert table.position("pay", 0) == 10
    assert table.positions([P0, P1]) == {P0: 10, P1: None}
    frame = read_history(str(tmp_path / "t")).sort("_offset").collect()
    assert frame.drop("_date").equals(events(5, 8))
    assert frame["_date"].to_list() == [date(2026, 11, 21)] * 3
    assert [p.name for p in (tmp_path / "t").glob("_date=*")] == ["_date=2026-11-21"]


def test_another_writer_object_goes_on_where_the_table_stands(tmp_path: Path) -> None:
    open_table(tmp_path).append(events(0, 3), {P0: (0, 3)})
    table = open_table(tmp_path)
    assert table.position("pay", 0) == 3
    table.append(events(3, 5), {P0: (3, 5)})
    assert offsets(read_history(str(tmp_path))) == [0, 1, 2, 3, 4]


def test_a_repeated_append_changes_nothing(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    for writer in (table, table, open_table(tmp_path)):
        writer.append(events(0, 3), {P0: (0, 3)})
    assert offsets(read_history(str(tmp_path))) == [0, 1, 2]


def test_a_writer_that_was_overtaken_is_told_and_writes_nothing(tmp_path: Path) -> None:
    old, new = open_table(tmp_path), open_table(tmp_path)
    old.append(events(0, 3), {P0: (0, 3)})
    new.append(events(3, 7), {P0: (3, 7)})
    with pytest.raises(FencedError, match="pay/0 at 7, expected 3"):
        old.append(events(3, 5), {P0: (3, 5)})
    assert offsets(read_history(str(tmp_path))) == list(range(7))


def test_offsets_are_never_left_out(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(events(0, 3), {P0: (0, 3)})
    with pytest.raises(PositionError, match="pay/0 at 3, expected 4"):
        table.append(events(4, 5), {P0: (4, 5)})
    with pytest.raises(PositionError, match="events 3 to 5 of pay/0 are not within"):
        table.append(events(3, 6), {P0: (3, 5)})
    assert offsets(read_history(str(tmp_path))) == [0, 1, 2]


def test_a_commit_without_events_moves_the_position(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(events(0, 0), {P0: (0, 4), P1: (7, 9)})
    assert open_table(tmp_path).positions([P0, P1]) == {P0: 4, P1: 9}
    table.append(events(4, 5), {P0: (4, 5), P1: (9, 9)})
    assert table.positions([P0, P1]) == {P0: 5, P1: 9}


def test_a_commit_that_the_store_lost_is_noticed_before_anything_is_built_on_it(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(events(0, 3), {P0: (0, 3)})
    # What a store does whose conditional PUT is not atomic: another writer's commit in place of ours.
    write_over = tmp_path / "_delta_log" / f"{1:020}.json"
    other = open_table(tmp_path.with_name("other"))
    other.append(events(0, 2, partition=1), {P1: (0, 2)})
    shutil.copytree(
        tmp_path.with_name("other") / "_date=2026-11-21", tmp_path / "_date=2026-11-21", dirs_exist_ok=True
    )
    shutil.copy(tmp_path.with_name("other") / "_delta_log" / write_over.name, write_over)
    with pytest.raises(
        PositionError, match="lost a commit that it had acknowledged: pay/0 was at 3 and is at None"
    ):
        table.append(events(3, 5), {P0: (3, 5)})
    assert table.position("pay", 0) is None
    table.append(events(0, 5), {P0: (0, 5)})
    assert offsets(read_history(str(tmp_path))) == list(range(5))
    assert offsets(read_history(str(tmp_path)), 1) == [0, 1]


def test_two_sources_of_one_topic_name_have_positions_of_their_own(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    table.append(
        pl.concat([events(0, 2), events(100, 103, topic="pay.old")]), {P0: (0, 2), ("pay.old", 0): (100, 103)}
    )
    assert table.positions([P0, ("pay.old", 0)]) == {P0: 2, ("pay.old", 0): 103}


def test_events_of_many_dates_go_to_their_dates(tmp_path: Path) -> None:
    days = [datetime(1970, 1, 1, tzinfo=T0.tzinfo) + timedelta(days=d) for d in (-1, 0, 20_000)]
    frame = pl.concat([events(i, i + 1, at=day) for i, day in enumerate(days)])
    open_table(tmp_path).append(frame, {P0: (0, 3)})
    kept = read_history(str(tmp_path)).sort("_offset").select("at", "_date").collect()
    assert kept["at"].to_list() == days
    assert kept["_date"].to_list() == [d.date() for d in days]


def race(work: list[list[tuple[int, int, int]]], folder: Path) -> list[list[str]]:
    """Writers at once, each with its own spans (partition, start, end) in order; what became of each."""
    start, results = threading.Barrier(len(work)), [[""] * 0 for _ in work]

    def write(spans: list[tuple[int, int, int]], result: list[str]) -> None:
        table = open_table(folder)
        start.wait()
        for partition, first, end in spans:
            try:
                table.append(events(first, end, partition=partition), {("pay", partition): (first, end)})
                result.append("ok")
            except Exception as exc:
                result.append(type(exc).__name__)

    threads = [threading.Thread(target=write, args=x) for x in zip(work, results, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_writers_of_different_partitions_do_not_hinder_each_other(tmp_path: Path) -> None:
    work = [[(p, i * 10, i * 10 + 10) for i in range(12)] for p in range(4)]
    assert race(work, tmp_path / "t") == [["ok"] * 12] * 4
    frame = read_history(str(tmp_path / "t"))
    for partition in range(4):
        assert offsets(frame, partition) == list(range(120))


def test_of_two_writers_of_one_partition_one_succeeds_for_each_span(tmp_path: Path) -> None:
    open_table(tmp_path).append(events(0, 1), {P0: (0, 1)})
    for start in range(1, 60, 6):
        # Ends differ, so that the second one cannot take the first one's commit for its own.
        results = race([[(0, start, start + 6)], [(0, start, start + 5)]], tmp_path)
        assert sorted(results) == [["FencedError"], ["ok"]]
        table = open_table(tmp_path)
        at = table.position("pay", 0)
        assert at in (start + 5, start + 6)
        if at == start + 5:
            table.append(events(at, at + 1), {P0: (at, at + 1)})
    assert offsets(read_history(str(tmp_path))) == list(range(61))


def test_writers_that_make_the_table_at_once_share_it(tmp_path: Path) -> None:
    for i in range(5):
        assert race([[(p, 0, 3)] for p in range(3)], tmp_path / f"{i}") == [["ok"]] * 3
        frame = read_history(str(tmp_path / f"{i}"))
        assert [offsets(frame, p) for p in range(3)] == [[0, 1, 2]] * 3


WIDER = HistorySchema(
    {
        "user": String,
        "amount": Int64,
        "at": Timestamp,
        "tags": Map(String, Int64),
        "place": Struct({"city": String}),
    },
    "at",
)


def wide(start: int, end: int, place: dict[str, str]) -> pl.DataFrame:
    n = end - start
    tags = pl.Series([[{"key": "k", "value": 1}]] * n, dtype=Map(String, Int64).polars)
    return events(start, end).with_columns(tags=tags, place=pl.Series([place] * n))


def test_a_new_column_is_added_and_older_events_have_null_in_it(tmp_path: Path) -> None:
    old = open_table(tmp_path)
    old.append(events(0, 1), {P0: (0, 1)})
    new = open_table(tmp_path, WIDER)
    new.append(wide(1, 2, {"city": "Ulm"}), {P0: (1, 2)})
    # A writer that does not know of it yet goes on.
    old.append(events(2, 3), {P0: (2, 3)})
    kept = read_history(str(tmp_path)).sort("_offset").select("user", "tags", "place").collect()
    assert kept.rows() == [
        ("u0", None, None),
        ("u1", [{"key": "k", "value": 1}], {"city": "Ulm"}),
        ("u2", None, None),
    ]


def test_a_promoted_column_keeps_its_values_and_the_table_its_positions(tmp_path: Path) -> None:
    place = Struct({"zip": Int32})
    narrow = HistorySchema({**SCHEMA.columns, "n": Int32, "f": Float32, "place": place}, "at")
    frame = events(0, 3).with_columns(
        n=pl.Series([1, None, -(2**31)], dtype=pl.Int32),
        f=pl.Series([0.1, None, 1.5], dtype=pl.Float32),
        place=pl.Series([{"zip": 7}, None, {"zip": 8}], dtype=place.polars),
    )
    old = open_table(tmp_path, narrow)
    old.append(frame, {P0: (0, 3), P1: (5, 9)})
    wider = {**SCHEMA.columns, "n": Int64, "f": Float64, "place": Struct({"zip": Int64}), "more": String}
    new = open_table(tmp_path, HistorySchema(wider, "at"))
    assert new.positions([P0, P1]) == {P0: 3, P1: 9}
    wide = pl.DataFrame({"n": [2**40], "f": [1e300], "place": [{"zip": 2**40}], "more": ["x"]})
    new.append(pl.concat([events(3, 4), wide], how="horizontal"), {P0: (3, 4)})
    old.append(frame.with_columns(pl.col("_offset") + 4), {P0: (4, 7)})  # which does not know of it yet
    kept = read_history(str(tmp_path)).sort("_offset").collect()
    assert kept["n"].to_list() == [1, None, -(2**31), 2**40, 1, None, -(2**31)]
    tenth = 0.10000000149011612  # what 32 bits have of it
    assert kept["f"].to_list() == [tenth, None, 1.5, 1e300, tenth, None, 1.5]
    assert kept["place"].to_list()[:4] == [{"zip": 7}, None, {"zip": 8}, {"zip": 2**40}]
    assert kept["more"].to_list() == [None, None, None, "x", None, None, None]
    assert {n: kept.schema[n] for n in ("n", "f")} == {"n": pl.Int64(), "f": pl.Float64()}
    assert gaps_of(DeltaTable(tmp_path), "headrace/shop/pay", ["pay"]).gaps == ()
    before = read_history(str(tmp_path), version=1).collect()
    assert before.schema["n"] == pl.Int32()
    assert len(before) == 3


def test_a_struct_gains_a_member(tmp_path: Path) -> None:
    open_table(tmp_path, WIDER).append(wide(0, 1, {"city": "Ulm"}), {P0: (0, 1)})
    widest = HistorySchema({**WIDER.columns, "place": Struct({"city": String, "zip": String})}, "at")
    table = open_table(tmp_path, widest)
    table.append(wide(1, 2, {"city": "Bonn", "zip": "53111"}), {P0: (1, 2)})
    open_table(tmp_path, WIDER).append(wide(2, 3, {"city": "Köln"}), {P0: (2, 3)})
    assert read_history(str(tmp_path)).sort("_offset").select("place").collect().to_series().to_list() == [
        {"city": "Ulm", "zip": None},
        {"city": "Bonn", "zip": "53111"},
        {"city": "Köln", "zip": None},
    ]


def test_writers_that_add_the_same_column_at_once_both_go_on(tmp_path: Path) -> None:
    open_table(tmp_path)
    barrier, failures = threading.Barrier(3), []

    def widen(partition: int) -> None:
        barrier.wait()
        try:
            frame = wide(0, 2, {"city": "Ulm"}).with_columns(_partition=pl.lit(partition, pl.Int32))
            open_table(tmp_path, WIDER).append(frame, {("pay", partition): (0, 2)})
        except Exception as exc:
            failures.append(exc)

    threads = [threading.Thread(target=widen, args=(p,)) for p in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    frame = read_history(str(tmp_path))
    assert [offsets(frame, p) for p in range(3)] == [[0, 1]] * 3


def test_a_column_that_changes_its_type_is_refused_when_the_table_is_opened(tmp_path: Path) -> None:
    open_table(tmp_path)
    changed = HistorySchema({**SCHEMA.columns, "amount": List(Int64)}, "at")
    with pytest.raises(
        SchemaError, match=r"column `amount` changed its type; expected Int64, .*; got List\(Int64\)"
    ):
        open_table(tmp_path, changed)


def test_a_folder_that_may_not_be_written_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"history\.uri: .*/file/t may not be written"):
        open_table(tmp_path / "file" / "t")
