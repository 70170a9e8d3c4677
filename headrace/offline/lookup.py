"""Keys of any type to dense numbers: a table that is made once and asked by every batch of events.

A join would hash all known keys again for each batch. Here a key's hash says a slot; keys that share one go to
the next, smaller table. What is found is compared with the key itself; of texts, which lie all over memory, with a
second hash of 64 bits. Both hashes are seeded anew in each process: nobody can choose keys that share them, and by
chance two of a million keys and a hundred million events do once in some 10^24 processes.
"""

from __future__ import annotations

import secrets

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

AT_ONCE = 1 << 16
"""Keys looked up at once: what is in between stays in a processor's cache."""

_SEEDS = secrets.randbits(63), secrets.randbits(63)


class Lookup:
    """Numbers the rows of `known`, which are distinct and have no nulls, from 0."""

    def __init__(self, known: pl.DataFrame) -> None:
        self._known = known
        self._texts = [n for n, t in known.schema.items() if t in (pl.String, pl.Binary)]
        self._others = [n for n in known.columns if n not in self._texts]
        self._hashes = np.stack(self._hashed(known), axis=1)
        self._tables: list[Numbers] = []
        first, left = self._hashes[:, 0], np.arange(len(known), dtype="u4")
        while len(left) and len(self._tables) < TABLES:
            table = np.full(1 << max((ROOM * len(left) - 1).bit_length(), 4), NONE)
            at = _slots(first[left], len(self._tables), table)
            table[at] = left
            self._tables.append(table)
            left = left[table[at] != left]
        self.whole = not len(left) and pl.Series(first).n_unique() == len(known)
        """Whether every key has a slot, and a hash of its own: if not, nothing may be asked."""

    def numbers(self, keys: pl.DataFrame) -> Numbers:
        """The number of each row (columns typed as those known), NONE where it is not known or has a null."""
        if not len(self._known) or not len(keys):
            return np.full(len(keys), NONE)
        hashes = self._hashed(keys)
        out = np.empty(len(keys), "u4")
        for a in range(0, len(keys), AT_ONCE):
            out[a : a + AT_ONCE] = self._found([h[a : a + AT_ONCE] for h in hashes])
        return self._checked(keys, out) if self._others else out

    def _hashed(self, keys: pl.DataFrame) -> list[Hashes]:
        """Of each row, and the other one of its texts, if it has any."""
        both = [(keys, _SEEDS[0]), (keys.select(self._texts), _SEEDS[1])]
        return [of.hash_rows(seed).to_numpy() for of, seed in both if of.width]

    def _found(self, hashes: list[Hashes]) -> Numbers:
        """The numbers of the keys that have these hashes."""
        out = np.full(0, NONE)
        left: NDArray[np.intp] | None = None  # all of them
        for number, table in enumerate(self._tables):
            mine = hashes if left is None else [h[left] for h in hashes]
            found = table.take(_slots(mine[0], number, table), mode="clip")
            known = self._hashes.take(found, axis=0, mode="clip")
            taken = found != NONE
            same = taken.copy()
            for i, h in enumerate(mine):
                same &= known[:, i] == h
            np.greater(taken, same, out=taken)  # by another key
            if left is None:
                out, left = _where(same, found), np.flatnonzero(taken)
            else:
                out[left[same]] = found[same]
                left = left[taken]
            if not len(left):
                break
        return out

    def _checked(self, keys: pl.DataFrame, found: Numbers) -> Numbers:
        """Columns that are no texts are compared themselves."""
        at = pl.Series(np.minimum(found, np.uint32(len(self._known) - 1)))
        for name in self._others:
            equal = (self._known[name].gather(at) == keys[name]).fill_null(value=False)
            if not equal.all():
                found = _where(equal.to_numpy(), found)
        return found


def _where(same: NDArray[np.bool_], found: Numbers) -> Numbers:
    """What was found, where it is the same; else NONE, whose bits are all set."""
    none = same.astype("u4")
    none -= np.uint32(1)
    none |= found
    return none


def _slots(hashes: Hashes, number: int, table: Numbers) -> NDArray[np.int64]:
    """Each table's own: the highest bits of the hash times an odd number."""
    odd = np.uint64((0x9E3779B97F4A7C15 + 2 * number * 0x632BE59BD9B4E019) & (2**64 - 1))
    slots = hashes * odd
    slots >>= np.uint64(64 - (len(table).bit_length() - 1))
    return slots.view("i8")  # as positions are: no copy
