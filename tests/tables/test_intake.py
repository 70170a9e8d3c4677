"""Large parts of a restore go to RocksDB as files of their own, and are merged when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from tables.intake import Intake


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Rdict]:
    with closing(Rdict(str(tmp_path / "db"), Options(raw_mode=True))) as opened:
        yield opened


def intake(db: Rdict, tmp_path: Path) -> Intake:
    return Intake(db, Options(raw_mode=True), tmp_path / "db" / "intake")


def test_what_a_file_holds_replaces_and_deletes_what_was_there(db: Rdict, tmp_path: Path) -> None:
    db.put(b"a", b"old")
    db.put(b"b", b"old")
    db.put(b"c", b"old")
    intake(db, tmp_path).put([b"a", b"b"], [b"new", None])
    assert [db.get(key) for key in (b"a", b"b", b"c")] == [b"new", None, b"old"]


def test_a_write_after_a_file_counts(db: Rdict, tmp_path: Path) -> None:
    intake(db, tmp_path).put([b"a", b"b"], [b"1", b"1"])
    db.put(b"b", b"2")
    assert db.get([b"a", b"b"]) == [b"1", b"2"]


def test_files_of_a_process_that_was_killed_are_removed(db: Rdict, tmp_path: Path) -> None:
    left = tmp_path / "db" / "intake" / "7.sst"
    left.parent.mkdir()
    left.write_bytes(b"half")
    intake(db, tmp_path).put([b"a"], [b"1"])
    assert not left.exists()
    assert db.get(b"a") == b"1"


def test_nothing_is_merged_before_the_last_restore_is_over(db: Rdict, tmp_path: Path) -> None:
    into = intake(db, tmp_path)
    with into.restoring():
        with into.restoring():
            for n in range(30):
                into.put([b"a", b"b", b"z"], [b"%d" % n, None, b""])
        into.put([b"a", b"z"], [b"last", b""])
        assert into.waiting_files == 30, "the first lies below, as it was alone"
        into.settle()
        assert into.crowded
    db.compact_range(None, None)
    into.settle()
    assert (into.crowded, into.waiting_files) == (False, 0)
    assert db.get([b"a", b"b"]) == [b"last", None]
