"""Keys to numbers by a table that is made once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from headrace.offline import lookup
from headrace.offline.lookup import NONE, Lookup


@pytest.mark.parametrize("known", [1, 3, 1_000, 30_000])
@pytest.mark.parametrize("columns", [["a"], ["a", "b"]])
def test_each_key_has_its_number_and_others_have_none(known: int, columns: list[str]) -> None:
    random = np.random.default_rng(known)
    rows = pl.DataFrame(
        {"a": [f"user-{i % 701:08d}" for i in range(2 * known)], "b": np.arange(2 * known) // 701}
    )
    rows = rows.select(columns).unique().sample(fraction=1.0, shuffle=True, seed=known)
    n = -(-len(rows) // 2)
    asked = random.integers(0, len(rows), 5_000)
    found = Lookup(rows[:n]).numbers(rows[asked])
    assert found.tolist() == [i if i < n else NONE for i in asked.tolist()]


def test_a_key_with_a_null_is_not_known() -> None:
    known = Lookup(pl.DataFrame({"a": ["x", "y"], "b": [1, 2]}))
    asked = pl.DataFrame({"a": ["x", None, "x", "y"], "b": [1, 1, None, 2]})
    assert known.numbers(asked).tolist() == [0, NONE, NONE, 1]


def test_nothing_is_known_of_no_keys() -> None:
    assert Lookup(pl.DataFrame({"a": []}, schema={"a": pl.String})).numbers(
        pl.DataFrame({"a": ["x"]})
    ).tolist() == [NONE]


def test_unequal_keys_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    first, hash_rows = lookup._SEEDS[0], pl.DataFrame.hash_rows

    def by_length(frame: pl.DataFrame, seed: int) -> pl.Series:
        shared = frame.select(pl.col("a").cast(pl.String).str.len_bytes().cast(pl.UInt64)).to_series()
        return shared if seed == first else hash_rows(frame, seed)

    monkeypatch.setattr(pl.DataFrame, "hash_rows", by_length)
    texts = Lookup(pl.DataFrame({"a": ["x", "yy"]}))
    assert texts.whole
    asked = pl.DataFrame({"a": ["x", "z", "zz", "yy", "zzz"]})
    assert texts.numbers(asked).tolist() == [0, NONE, NONE, 1, NONE]
    assert not Lookup(pl.DataFrame({"a": ["x", "z"]})).whole
    numbers = Lookup(pl.DataFrame({"a": [1, 22]}))
    assert numbers.numbers(pl.DataFrame({"a": [1, 2, 33, 22, 333]})).tolist() == [0, NONE, NONE, 1, NONE]


def test_more_keys_than_are_looked_up_at_once() -> None:
    n = 2 * lookup.AT_ONCE + 7
    known = pl.DataFrame({"a": pl.Series(range(0, 3 * n, 3)).cast(pl.String)})
    asked = pl.DataFrame({"a": pl.Series(range(n)).cast(pl.String)})
    expected = [i // 3 if i % 3 == 0 else NONE for i in range(n)]
    assert Lookup(known).numbers(asked).tolist() == expected
