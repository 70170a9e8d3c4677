"""Partitions of rows, in memory and on disk."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headrace.errors import StateError
from headrace.offline.spill import Partitions


@pytest.mark.parametrize("in_memory", [1 << 20, 100])
def test_a_partition_gives_back_its_rows_in_the_order_of_the_batches(tmp_path: Path, in_memory: int) -> None:
    with Partitions(3, tmp_path, in_memory=in_memory) as kept:
        batches = [pl.DataFrame({"x": range(10 * i, 10 * i + 10), "t": [f"r{i}"] * 10}) for i in range(5)]
        made = [kept.scattered(b, (b["x"] % 3).to_numpy()) for b in reversed(batches)]
        for scattered in reversed(made):  # whenever they were scattered
            kept.keep(scattered)

        for i in range(3):
            rows = kept.take(i)
            assert rows is not None
            assert rows["x"].to_list() == [x for x in range(50) if x % 3 == i]
            assert rows["t"].to_list() == [f"r{x // 10}" for x in range(50) if x % 3 == i]
            assert kept.rows[i] == len(rows)
            assert kept.take(i) is None
    assert list(tmp_path.iterdir()) == []


def test_rows_beyond_what_memory_is_for_are_on_disk(tmp_path: Path) -> None:
    with Partitions(300, tmp_path, in_memory=100) as kept:
        kept.add(pl.DataFrame({"x": range(600)}), np.arange(600) % 300)
        (folder,) = tmp_path.iterdir()
        assert len(list(folder.iterdir())) == 300


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Writing more than so many bytes to a file fails, as it does where a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("rows", [100, 100_000])  # found when the file is closed, found when it is written
def test_a_disk_that_is_full_is_told_and_nothing_is_left(tmp_path: Path, rows: int) -> None:
    told = f"no room for the events of a training set in {tmp_path}/headrace-.*: File too large"
    with Partitions(2, tmp_path, in_memory=0) as kept:

        def used() -> None:
            kept.add(pl.DataFrame({"x": range(rows)}), np.arange(rows) % 2)
            kept.take(0)

        with no_file_beyond(200), pytest.raises(StateError, match=told):
            used()
    assert list(tmp_path.iterdir()) == []
