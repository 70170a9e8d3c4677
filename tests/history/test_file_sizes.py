"""Upkeep at its own size of files: of 64 to 128 MB, but for what is left over of a date. Rows stay as they were."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.arrow import binaries
from headrace.history.ordering import put_in_order
from headrace.history.read import read_history
from headrace.history.schema import HistorySchema
from headrace.history.upkeep import compact
from headrace.types import Bytes
from tests.history.events import SCHEMA, T0, events, open_table

LEAST, MOST = 64 << 20, 128 << 20
ROWS, WIDTH = 2_000, 4_000
"""Of a commit: 8 MB that do not compress, in few rows."""
DATES = {0: 36, 1: 2}
"""How many commits each date has: more than two files' worth, and much less than one's."""


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A table of many commits."""
    folder = tmp_path_factory.mktemp("history") / "small"
    table = open_table(folder, HistorySchema({**SCHEMA.columns, "noise": Bytes}, "at"))
    random = np.random.default_rng(7)
    begin = 0
    for day, commits in DATES.items():
        for _ in range(commits):
            noise = binaries(np.arange(ROWS + 1) * WIDTH, random.integers(0, 256, ROWS * WIDTH, np.uint8))
            rows = events(begin, begin + ROWS, at=T0 + timedelta(days=day))
            rows = rows.with_columns(noise=pl.Series(pl.from_arrow(noise)))
            table.append(rows, {("pay", 0): (begin, begin + ROWS)})
            begin += ROWS
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def table(small_files: Path, tmp_path: Path) -> Iterator[Path]:
    """The same table for a test of its own: no file of one is ever changed."""
    yield Path(shutil.copytree(small_files, tmp_path / "table", copy_function=os.link))
    shutil.rmtree(tmp_path / "table")


def sizes(uri: Path) -> list[list[int]]:
    """The sizes of each date's files, the largest first."""
    files = pl.DataFrame(DeltaTable(str(uri)).get_add_actions(flatten=True))
    by_date = files.group_by("partition._date").agg(pl.col("size_bytes").sort(descending=True))
    return by_date.sort("partition._date")["size_bytes"].to_list()


def content(uri: Path) -> pl.DataFrame:
    """Each row, told by hashes, in the order of the log."""
    rows = read_history(str(uri))
    hashes = [pl.col(name).hash().alias(f"hash of {name}") for name in rows.collect_schema().names()]
    return rows.select("_offset", *hashes).sort("_offset").collect()


@pytest.mark.parametrize(
    "upkeep", [compact, lambda uri: put_in_order(uri, "user")], ids=["joined", "in order"]
)
def test_small_files_become_files_of_64_to_128_mb(
    small_files: Path, table: Path, upkeep: Callable[[str], tuple[int, int]]
) -> None:
    assert max(map(max, sizes(table))) < LEAST // 4
    removed, added = upkeep(str(table))
    found = sizes(table)
    assert (removed, added) == (sum(DATES.values()), sum(map(len, found)))
    for *whole, rest in found:
        assert all(LEAST <= size <= MOST for size in whole), found
        assert rest <= MOST, found
    assert list(map(len, found)) == [3, 1]
    assert content(table).equals(content(small_files))
    assert upkeep(str(table)) == (0, 0)
