"""Retention: whole dates go, what is left is whole, and writers go on beside it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from headrace.history.gaps import gaps_of
from headrace.history.read import read_history
from headrace.history.retention import horizon_of, retire
from headrace.history.table import HistoryTable
from tests.history.events import T0, events, offsets, open_table

WRITER = "headrace/shop/pay"
FIRST = T0.date()


@pytest.fixture
def table(tmp_path: Path) -> HistoryTable:
    """Ten events a day on three days."""
    made = open_table(tmp_path)
    for day in range(3):
        start = 10 * day
        made.append(events(start, start + 10, at=T0 + timedelta(days=day)), {("pay", 0): (start, start + 10)})
    return made


def gaps(uri: str) -> list[str]:
    return [str(g) for g in gaps_of(DeltaTable(uri), WRITER, ["pay"]).gaps]


def test_dates_before_the_first_that_is_kept_go_and_are_no_gap(table: HistoryTable) -> None:
    assert retire(table.uri, WRITER, FIRST + timedelta(days=1)) == 10
    assert offsets(read_history(table.uri)) == list(range(10, 30))
    assert gaps(table.uri) == []
    assert retire(table.uri, WRITER, FIRST + timedelta(days=2)) == 10
    assert gaps(table.uri) == []
    assert table.position("pay", 0) == 30
    commits = DeltaTable(table.uri).version()
    assert retire(table.uri, WRITER, FIRST + timedelta(days=2)) == 0
    assert DeltaTable(table.uri).version() == commits


def test_the_table_says_since_when_it_has_events_and_older_versions_have_all(table: HistoryTable) -> None:
    version = DeltaTable(table.uri).version()
    assert horizon_of(DeltaTable(table.uri), WRITER) is None
    retire(table.uri, WRITER, FIRST + timedelta(days=1))
    assert horizon_of(DeltaTable(table.uri), WRITER) == FIRST + timedelta(days=1)
    assert horizon_of(DeltaTable(table.uri, version=version), WRITER) is None
    assert offsets(read_history(table.uri, version=version)) == list(range(30))


def test_what_is_lost_besides_is_still_found(table: HistoryTable) -> None:
    retire(table.uri, WRITER, FIRST + timedelta(days=1))
    DeltaTable(table.uri).delete("_offset = 17")
    (told,) = gaps(table.uri)
    assert told.startswith("pay/0 lacks 1 event")


def test_a_writer_goes_on_and_its_late_events_go_with_the_next_call(table: HistoryTable) -> None:
    retire(table.uri, WRITER, FIRST + timedelta(days=1))
    table.append(events(30, 32), {("pay", 0): (30, 32)})
    assert gaps(table.uri) == []
    assert retire(table.uri, WRITER, FIRST + timedelta(days=1)) == 2
    assert offsets(read_history(table.uri)) == list(range(10, 30))
    assert gaps(table.uri) == []
    again = open_table(table.uri)
    again.append(events(32, 33, at=T0 + timedelta(days=2)), {("pay", 0): (32, 33)})
    assert gaps(table.uri) == []


def test_nothing_is_so_old_before_there_is_anything(tmp_path: Path) -> None:
    assert retire(open_table(tmp_path).uri, WRITER, date(2999, 1, 1)) == 0
