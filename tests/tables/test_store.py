"""The state folder: whose it is and who uses it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from headrace.errors import StateError
from tables.store import Batch, StateStore, partition_prefix


def test_a_folder_belongs_to_one_project(tmp_path: Path) -> None:
    StateStore(tmp_path / "s", "shop").close()
    with pytest.raises(StateError, match="belongs to project `shop`, this is `bank`"):
        StateStore(tmp_path / "s", "bank")
    StateStore(tmp_path / "s", "shop").close()


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "s", "shop")
    with pytest.raises(StateError, match="another process uses"):
        StateStore(tmp_path / "s", "shop")
    store.close()


def test_a_folder_that_cannot_be_made_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StateError, match=rf"state folder {path} cannot be made: .*Correct state\.dir"):
            StateStore(path, "shop")


def test_a_table_keeps_its_number(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "s", "shop")
    numbers = [store.table_id(name) for name in ("a", "b", "a")]
    store.close()
    again = StateStore(tmp_path / "s", "shop")
    assert [again.table_id(name) for name in ("b", "a", "c")] == [numbers[1], numbers[0], 3]
    again.close()


def test_a_partition_is_cleared_alone(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "s", "shop")
    batch = Batch()
    for table, partition in ((1, 0), (1, 1), (2, 0), (1, 255)):
        batch.put(partition_prefix(table, partition) + b"s\xff\xff\xff", b"x")
    store.write(batch)
    store.clear(partition_prefix(1, 0))
    left = [
        store.get(partition_prefix(t, p) + b"s\xff\xff\xff") for t, p in ((1, 0), (1, 1), (2, 0), (1, 255))
    ]
    assert left == [None, b"x", b"x", b"x"]
    store.close()


def test_a_disk_that_refuses_is_named_when_the_folder_is_closed(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "s", "shop")  # with a changelog: what was written is in memory alone
    batch = Batch()
    for i in range(50):
        batch.put(b"%d" % i, os.urandom(10_000))
    store.write(batch)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StateError, match=f"state folder {tmp_path}/s cannot be written"):
            store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    StateStore(tmp_path / "s", "shop").close()
