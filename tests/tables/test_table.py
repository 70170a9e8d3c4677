"""A table partition between a flush computed and a flush written: what is read, kept, forgotten, restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

import tables.table
from headrace.errors import StateError
from headrace.panes import NO_TIMERS
from tables.cache import RecordCache
from tables.marker import KEY, Marker
from tables.store import Batch, StateStore
from tables.table import Changes, Due, TablePartition

Make = Callable[..., TablePartition]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    opened = StateStore(tmp_path / "state", "shop")
    yield opened
    opened.close()


@pytest.fixture
def make(store: StateStore) -> Make:
    def made(partition: int = 0, cache: int = 1 << 20, changelog: str | None = "log") -> TablePartition:
        return TablePartition(store, RecordCache(cache), "spend@1", partition, changelog, "f")

    return made


def changes(
    table: TablePartition,
    values: dict[bytes, bytes | None],
    timers: Sequence[tuple[int, bytes]] = (),
    fired: Due | None = None,
    **marker: object,
) -> Changes:
    asked = pl.DataFrame(timers, NO_TIMERS.schema, orient="row")
    records = () if fired is None else fired.records
    return Changes(list(values), list(values.values()), asked, records, table.next_marker(**marker))


def rows(due: Due | None) -> list[tuple[int, bytes]]:
    return [] if due is None else due.timers.rows()


def write(store: StateStore, table: TablePartition, flush: Changes, start: int = 0, end: int = 0) -> None:
    batch = Batch()
    table.stage(flush, batch, start, end)
    store.write(batch)
    table.confirm(flush)


def test_a_flush_in_flight_is_read_though_it_is_not_written(make: Make) -> None:
    table = make()
    records = table.prepare(changes(table, {b"a": b"1", b"b": None}))
    assert table.read([b"b", b"a", b"c"]) == [None, b"1", None]
    assert [list(r.keys) for r in records] == [[b"a", b"b"], [KEY]]
    assert make().read([b"a"]) == [None]


def test_what_is_written_is_there_after_a_restart_with_its_marker(store: StateStore, make: Make) -> None:
    table = make()
    assert table.is_new
    flush = changes(table, {b"a": b"1"}, positions={"pay:0": 9})
    table.prepare(flush)
    write(store, table, flush, 3, 5)
    again = make()
    assert not again.is_new
    assert again.read([b"a"]) == [b"1"]
    assert again.marker == Marker("f", sequence=1, positions={"pay:0": 9}, flush_start=3, changelog=5)


def test_a_later_flush_in_flight_stays_ahead_when_an_earlier_one_settles(
    store: StateStore, make: Make
) -> None:
    table = make(cache=1)
    first = changes(table, {b"a": b"1", b"b": b"1"})
    table.prepare(first)
    second = changes(table, {b"a": b"2"})
    table.prepare(second)
    write(store, table, first)
    assert table.read([b"a", b"b"]) == [b"2", b"1"]
    assert (table.marker.sequence, table.computed.sequence) == (1, 2)
    write(store, table, second)
    assert make().read([b"a", b"b"]) == [b"2", b"1"]


def test_a_flush_that_was_not_written_is_forgotten(store: StateStore, make: Make) -> None:
    table = make()
    first = changes(table, {b"a": b"1"}, timers=[(10, b"ann")])
    table.prepare(first)
    write(store, table, first)
    due = table.take_due(10, 5)
    assert rows(due) == [(10, b"ann")]
    table.prepare(changes(table, {b"a": b"2"}, fired=due))
    table.forget()
    assert table.read([b"a"]) == [b"1"]
    assert table.computed == table.marker
    assert rows(table.take_due(10, 5)) == [(10, b"ann")]


def test_a_timer_is_handed_out_once_and_goes_with_its_flush(store: StateStore, make: Make) -> None:
    table = make()
    first = changes(table, {}, timers=[(20, b"bob"), (10, b"ann"), (30, b"eve"), (10, b"cy")])
    table.prepare(first)
    write(store, table, first)
    due = table.take_due(25, 1)
    assert rows(due) == [(10, b"ann"), (10, b"cy")]  # one record
    assert rows(table.take_due(25, 5)) == [(20, b"bob")]
    assert table.take_due(25, 5) is None
    second = changes(table, {}, fired=due)
    table.prepare(second)
    write(store, table, second)
    assert rows(make().take_due(100, 5)) == [(20, b"bob"), (30, b"eve")]


def test_a_timer_that_is_set_behind_those_handed_out_is_found(store: StateStore, make: Make) -> None:
    table = make()
    first = changes(table, {}, timers=[(10, b"ann"), (90, b"bob")])
    table.prepare(first)
    write(store, table, first)
    assert rows(table.take_due(50, 5)) == [(10, b"ann")]
    second = changes(table, {}, timers=[(5, b"cy"), (10, b"eve"), (70, b"dan")])
    table.prepare(second)
    write(store, table, second)
    assert rows(table.take_due(50, 5)) == [(5, b"cy"), (10, b"eve")]
    assert rows(table.take_due(99, 5)) == [(70, b"dan"), (90, b"bob")]


def test_timers_of_an_instant_are_handed_out_a_limit_at_a_time(store: StateStore, make: Make) -> None:
    table = make()
    everybody = [(10, b"%05d" % i) for i in range(2_500)]
    first = changes(table, {}, timers=[*everybody, (11, b"last")])
    table.prepare(first)
    write(store, table, first)
    taken = [rows(table.take_due(11, 2_000)) for _ in range(3)]
    assert [len(t) for t in taken] == [2_000, 501, 0]
    assert sorted(timer for some in taken for timer in some) == [*everybody, (11, b"last")]


def test_partitions_of_a_table_do_not_see_each_other(store: StateStore, make: Make) -> None:
    one, two = make(0), make(1)
    flush = changes(one, {b"a": b"1"}, timers=[(1, b"ann")])
    one.prepare(flush)
    write(store, one, flush)
    assert two.read([b"a"]) == [None]
    assert two.take_due(9, 9) is None
    one.reset()
    assert make(0).is_new
    assert make(0).read([b"a"]) == [None]


@pytest.mark.parametrize("many", [1, 1_000])
def test_a_restore_replaces_deletes_and_sets_timers(
    store: StateStore, make: Make, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(tables.table, "MANY", many)  # from how many records on they are a file
    table = make()
    flush = changes(table, {b"a": b"1", b"b": b"1"})
    table.prepare(flush)
    write(store, table, flush)
    assert table.read([b"a", b"b"]) == [b"1", b"1"]  # in the cache now
    table.uncache()
    records = pl.DataFrame({"key": [b"a", b"b", b"c"], "value": [b"7", None, b"9"]})
    table.restore(records, pl.DataFrame({"due": [5], "key": [b"ann"]}), Marker("f", epoch=3, sequence=4))
    assert table.read([b"a", b"b", b"c"]) == [b"7", None, b"9"]
    assert rows(table.take_due(5, 5)) == [(5, b"ann")]
    assert make().marker == Marker("f", epoch=3, sequence=4)


def test_entities_are_scanned_in_order_and_from_where_one_left_off(store: StateStore, make: Make) -> None:
    table = make()
    flush = changes(table, {b"%02d" % i: b"x" for i in range(10)})
    table.prepare(flush)
    write(store, table, flush)
    first = [key for key, _ in table.entities(4)]
    rest = [key for key, _ in table.entities(100, first[-1])]
    assert first + rest == [b"%02d" % i for i in range(10)]


def test_state_of_another_definition_is_refused(store: StateStore, make: Make) -> None:
    table = make()
    flush = changes(table, {})
    table.prepare(flush)
    write(store, table, flush)
    other = TablePartition(store, RecordCache(1), "spend@1", 0, "log", "g")
    with pytest.raises(StateError, match="made by another definition"):
        other.check()
