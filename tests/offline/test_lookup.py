"""Keys to numbers by a table that is made once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

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
    lookup = Lookup(pl.DataFrame({"a": ["x", "y"], "b": [1, 2]}))
    asked = pl.DataFrame({"a": ["x", None, "x", "y"], "b": [1, 1, None, 2]})
    assert lookup.numbers(asked).tolist() == [0, NONE, NONE, 1]


def test_nothing_is_known_of_no_keys() -> None:
    assert Lookup(pl.DataFrame({"a": []}, schema={"a": pl.String})).numbers(
        pl.DataFrame({"a": ["x"]})
    ).tolist() == [NONE]


def test_unequal_keys_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.DataFrame, "hash_rows", lambda frame: frame["a"].str.len_bytes().cast(pl.UInt64))
    lookup = Lookup(pl.DataFrame({"a": ["x", "yy"]}))
    assert lookup.whole
    assert lookup.numbers(pl.DataFrame({"a": ["x", "z", "zz", "yy", "zzz"]})).tolist() == [
        0,
        NONE,
        NONE,
        1,
        NONE,
    ]
    assert not Lookup(pl.DataFrame({"a": ["x", "z"]})).whole
