"""Entities' numbers: of rows in the order in which keys first appear, and of events."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from headrace.offline.entities import Entities
from headrace.offline.lookup import NONE

NEAR = [7, 3, None, 7, -2, 3]


@pytest.mark.parametrize(
    ("keys", "types", "others"),
    [
        (NEAR, pl.Int64, [8, -3, 10**15]),
        (NEAR, pl.Int32, [8, -3]),
        ([None if k is None else k * 10**12 for k in NEAR], pl.Int64, [8, -3]),  # too far apart for a table
        ([None if k is None else f"u{k}" for k in NEAR], pl.String, ["", "u"]),
    ],
)
def test_numbers_follow_first_appearance_and_others_have_none(
    keys: list[object], types: type[pl.DataType], others: list[object]
) -> None:
    entities = Entities(pl.DataFrame({"k": keys}, schema={"k": types}))
    assert len(entities) == 3
    assert entities.code.tolist() == [0, 1, 3, 0, 2, 1]

    events = pl.DataFrame({"k": [keys[4], None, *others, keys[0]]}, schema={"k": types})
    numbers = entities.numbers(events, [pl.col("k")])
    assert numbers.tolist() == [2, *[NONE] * (1 + len(others)), 0]
    assert entities.numbered(events, [pl.col("k")])["_code"].to_list() == [2, 0]


def test_rows_without_any_key_have_no_entities() -> None:
    for keys in ([], [None, None]):
        entities = Entities(pl.DataFrame({"k": keys}, schema={"k": pl.Int64}))
        assert len(entities) == 0
        assert entities.code.tolist() == [0] * len(keys)
        assert entities.numbers(pl.DataFrame({"k": [1, None]}), [pl.col("k")]).tolist() == [NONE, NONE]


def test_many_keys_are_numbered_as_a_dictionary_does() -> None:
    keys = np.random.default_rng(3).integers(-500, 500, 3_000)
    seen: dict[int, int] = {}
    wanted = [seen.setdefault(k, len(seen)) for k in keys.tolist()]
    assert Entities(pl.DataFrame({"k": keys})).code.tolist() == wanted
