"""Keys of any type to dense numbers: a table that is made once and asked by every batch of events.

A join would hash all known keys again for each batch. Here a key's hash says a slot; keys that share one go to
the next, smaller table. What is found is compared with the key itself: equal hashes of unequal keys are told apart.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.uint32]

NONE = np.uint32(2**32 - 1)
ROOM = 4
"""Slots for each key, at least."""
TABLES = 16
"""Never needed: a table leaves about an eighth of its keys to the next."""


class Lookup:
    """Numbers the rows of `known`, which are distinct and have no nulls, from 0."""

    def __init__(self, known: pl.DataFrame) -> None:
        self._known = known
        self._hashes: Hashes = known.hash_rows().to_numpy()
        self._tables: list[Numbers] = []
        left = np.arange(len(known), dtype="u4")
        while len(left) and len(self._tables) < TABLES:
            table = np.full(1 << max((ROOM * len(left) - 1).bit_length(), 4), NONE)
            at = _slots(self._hashes[left], len(self._tables), table)
            table[at] = left
            self._tables.append(table)
            left = left[table[at] != left]
        self.whole = not len(left) and pl.Series(self._hashes).n_unique() == len(known)
        """Whether every key has a slot, and a hash of its own: if not, nothing may be asked."""

    def numbers(self, keys: pl.DataFrame) -> Numbers:
        """The number of each row (columns typed as those known), NONE where it is not known or has a null."""
        if not len(self._known) or not len(keys):
            return np.full(len(keys), NONE)
        hashes: Hashes = keys.hash_rows().to_numpy()
        out = np.full(len(keys), NONE)
        left: NDArray[np.intp] | None = None  # all of them
        for number, table in enumerate(self._tables):
            mine = hashes if left is None else hashes[left]
            found = table[_slots(mine, number, table)]
            same = self._hashes.take(found, mode="clip") == mine
            same &= found != NONE
            if left is None:
                out = np.where(same, found, NONE)
                left = np.flatnonzero(~same & (found != NONE))
            else:
                out[left[same]] = found[same]
                left = left[~same & (found != NONE)]
            if not len(left):
                break
        return self._checked(keys, out)

    def _checked(self, keys: pl.DataFrame, found: Numbers) -> Numbers:
        at = pl.Series(np.minimum(found, np.uint32(len(self._known) - 1)))
        for name in self._known.columns:
            equal = (self._known[name].gather(at) == keys[name]).fill_null(value=False)
            if not equal.all():
                found = np.where(equal.to_numpy(), found, NONE)
        return found


def _slots(hashes: Hashes, number: int, table: Numbers) -> Hashes:
    """Each table's own: the highest bits of the hash times an odd number."""
    odd = np.uint64((0x9E3779B97F4A7C15 + 2 * number * 0x632BE59BD9B4E019) & (2**64 - 1))
    return (hashes * odd) >> np.uint64(64 - (len(table).bit_length() - 1))
