"""A column as a sequence: the same items, nulls too, wherever a piece ends."""

from __future__ import annotations

import polars as pl
import pytest

from tables.pieces import AT_ONCE, Pieces


@pytest.mark.parametrize("n", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_it_has_the_items_of_its_column(n: int) -> None:
    items = [b"%d" % i if i % 3 else None for i in range(n)]
    column = pl.Series(items, dtype=pl.Binary)
    for given in (column, pl.concat([column[:1], column[1:]], rechunk=False)):
        pieces = Pieces(given)
        assert len(pieces) == n
        assert list(pieces) == list(pieces) == items
        assert [pieces[i] for i in range(n)] == items
        assert list(pieces[1:3]) == items[1:3]


def test_it_knows_what_it_holds() -> None:
    whole, holed = Pieces(pl.Series([b"a", b""])), Pieces(pl.Series([b"a", None]))
    assert None not in whole
    assert None in holed
    assert b"a" in whole
    assert b"b" not in whole
