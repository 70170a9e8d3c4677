"""How many different values: a set while they are few, a HyperLogLog sketch from then on.

Both are columns: sets are unions of sorted words, sketches are maxima of registers, whatever the number of
groups. 4,096 registers of a byte: the standard error is 1.04 / sqrt(4096) = 1.6 %. The estimate is Ertl's improved one
("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6), which needs no tables.
Equal sets have equal partials, in whatever order and grouping they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.aggregates.algebra import Algebra, Rows, groups_of, present
from headrace.aggregates.hashing import hash_texts, hash_words
from headrace.aggregates.lists import Items, blobs, buffers, pack_lists, unpack_lists
from headrace.aggregates.partials import Ints, Partials
from headrace.aggregates.results import Result
from headrace.aggregates.values import is_word, to_bytes, to_words, without_negative_zero

EXACT = 1000  # values in a set; one more makes it a sketch
BITS = 12
REGISTERS = 1 << BITS

_SKETCH = -1  # in place of the number of a set's values
_REST = 64 - BITS  # bits of a hash that are not the register's number
_ALPHA = 1 / (2 * log(2))

Registers = NDArray[np.uint8]


@dataclass(frozen=True)
class Distinct(Algebra):
    """A set's values, or the registers of a sketch; the word is how many values, or -1 of a sketch.

    Values that fit a word are themselves; others are their 64-bit hash (two of 1,000 collide once in 10**13).
    """

    identity = (0,)
    blob = True

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        given = without_negative_zero(values if has.all() else values.drop_nulls(), self.type)
        word = is_word(self.type)
        words = to_words(given, self.type) if word else hash_texts(to_bytes(given, self.type)).view("i8")
        return Partials(has, (has.astype("i8"),), pack_lists(Items(np.flatnonzero(has), (words,)), len(has)))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        assert parts.blob is not None
        n, group = len(starts), groups_of(starts, len(parts))
        sketched = parts.words[0] == _SKETCH
        sets = parts.take(~sketched) if sketched.any() else parts
        assert sets.blob is not None
        found = unpack_lists(sets.blob, sets.words[0], 1, texts=False)
        items = _distinct(Items(group[~sketched][found.owner], found.words))
        count = np.bincount(items.owner, minlength=n)
        large = count > EXACT
        large[group[sketched]] = True
        if not large.any():
            return Partials(count > 0, (count,), pack_lists(items, n))
        number = np.cumsum(large) - 1
        many = large[items.owner]
        registers = np.zeros((int(large.sum()), REGISTERS), "u1")
        _add(registers, number[items.owner[many]], items.words[0][many])
        if sketched.any():
            given = _registers(parts.blob.filter(pl.Series(sketched)))
            np.maximum.at(registers, number[group[sketched]], given)
        ends = np.arange(1, len(registers) + 1) * REGISTERS
        sketches = blobs(registers.reshape(-1), ends, np.ones(len(registers), "?"))
        blob = pl.concat([pack_lists(items.take(~many), n), sketches], rechunk=True)
        blob = blob.gather(np.where(large, n + number, np.arange(n)))
        return Partials((count > 0) | large, (np.where(large, _SKETCH, count),), blob)


def shown_distinct(parts: Sequence[Partials]) -> Result:
    """How many different values, Int64; 0 without any."""
    count = parts[0].words[0].copy()
    blob = parts[0].blob
    sketched = np.flatnonzero(count == _SKETCH)
    if len(sketched) and blob is not None:
        estimates = [round(estimate(r)) for r in _registers(blob.gather(sketched))]
        count[sketched] = np.maximum(estimates, EXACT + 1)
    return pl.Series(count, dtype=pl.Int64), 0


def estimate(registers: Registers) -> float:
    """How many different values the registers of one sketch have seen."""
    found = np.bincount(registers, minlength=_REST + 2).tolist()
    z = REGISTERS * _tau(1 - found[_REST + 1] / REGISTERS)
    for k in range(_REST, 0, -1):
        z = 0.5 * (z + found[k])
    z += REGISTERS * _sigma(found[0] / REGISTERS)
    return _ALPHA * REGISTERS * REGISTERS / z


def _distinct(items: Items) -> Items:
    """Each word once in its list, sorted."""
    word = items.words[0]
    items = items.take(np.lexsort((word, items.owner)))
    owner, word = items.owner, items.words[0]
    new = np.ones(len(items), "?")
    new[1:] = (owner[1:] != owner[:-1]) | (word[1:] != word[:-1])
    return items.take(new)


def _add(registers: Registers, sketch: Ints, words: Ints) -> None:
    hashes = hash_words(words)
    at = (hashes >> np.uint64(_REST)).astype("i8")
    rest = (hashes & np.uint64(2**_REST - 1)).astype("f8")  # 52 bits: exact
    rank = _REST + 1 - np.frexp(rest)[1]  # 1 + leading zeros
    np.maximum.at(registers, (sketch, at), rank.astype("u1"))


def _registers(sketches: pl.Series) -> Registers:
    return buffers(sketches)[1].reshape(-1, REGISTERS)


def _sigma(x: float) -> float:
    if x == 1:
        return inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z, y = z + x * y, y + y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = sqrt(x), z, y / 2
        z -= (1 - x) ** 2 * y
    return z / 3
