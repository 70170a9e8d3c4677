"""Ordered files: the same rows, each date's files one after another by the key, and rewritten only where it pays."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.history.ordering import out_of_order, put_in_order
from headrace.history.read import read_history
from tests.history.events import events, offsets, open_table

P0 = ("pay", 0)


def ranges(uri: Path) -> list[tuple[str, str]]:
    files = pl.DataFrame(DeltaTable(str(uri)).get_add_actions(flatten=True))
    return files.select("min.user", "max.user").sort("min.user").rows()


def test_files_of_a_date_follow_one_another_by_the_key_and_rows_and_positions_stay(tmp_path: Path) -> None:
    table = open_table(tmp_path)
    shuffled = events(0, 30_000).with_columns(user=pl.lit("u") + pl.col("amount").hash(3).cast(pl.String))
    for first in range(0, 30_000, 10_000):
        table.append(shuffled[first : first + 10_000], {P0: (first, first + 10_000)})
    removed, added = put_in_order(str(tmp_path), "user", target_size=200_000)
    assert removed == 3
    found = ranges(tmp_path)
    assert len(found) == added > 2
    assert all(last <= first for (_, last), (first, _) in pairwise(found))
    assert offsets(read_history(str(tmp_path))) == list(range(30_000))
    assert table.position("pay", 0) == 30_000
    assert put_in_order(str(tmp_path), "user", target_size=200_000) == (0, 0)
    table.append(events(30_000, 30_001), {P0: (30_000, 30_001)})  # one late event is not worth a date
    assert put_in_order(str(tmp_path), "user", target_size=200_000) == (0, 0)


@pytest.mark.parametrize(
    ("files", "due"),
    [
        ([("a", "m", 100), ("m", "z", 100)], False),
        ([("a", "n", 100), ("m", "z", 100)], True),
        ([("a", "m", 100), ("a", "z", 20)], False),  # a remainder, or one late commit
        ([("a", "m", 100), ("a", "z", 10), ("a", "z", 10)], True),
        ([("a", "m", 100), ("n", "z", 100), ("a", "z", 10), ("a", "z", 10)], False),
        ([("a", "m", 10), ("n", "z", 10)], True),
        ([("a", "z", 10)], False),
        ([("a", "m", 5_000), *[("a", "z", 1)] * 32], False),
        ([("a", "m", 5_000), *[("a", "z", 1)] * 33], True),
    ],
)
def test_a_date_is_rewritten_where_it_pays(files: list[tuple[str, str, int]], due: bool) -> None:
    told = pl.DataFrame(
        [
            {"partition._date": "2026-01-01", "min.user": a, "max.user": b, "size_bytes": size}
            for a, b, size in files
        ]
    )
    assert out_of_order(told, "user", 100) == (["2026-01-01"] if due else [])
    assert out_of_order(told, "nobody", 100) == []
