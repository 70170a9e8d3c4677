"""Hashes of values that are the same in every release, for sketches and sets in stored state.

64 bits by the finalizer of SplitMix64 (Steele, Lea and Flood 2014), chained over the words of a text. Polars'
own hashes change between releases. Not made to withstand an adversary.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.aggregates.lists import buffers
from headrace.aggregates.partials import Ints

Hashes = NDArray[np.uint64]

_LONG = 256  # longer texts go one by one: the chain costs a pass for every 8 bytes of the longest


def hash_words(words: Ints) -> Hashes:
    """A hash of each word; different words have different hashes."""
    return _mixed(words.view("u8") + np.uint64(0x9E3779B97F4A7C15))


def hash_texts(texts: pl.Series) -> Hashes:
    """A hash of each value of a Binary column without nulls."""
    starts, data = buffers(texts)
    sizes = np.diff(starts, append=len(data))
    found = hash_words(sizes)
    padded = np.concatenate([data, np.zeros(8, "u1")])
    places = np.arange(8)
    for at in range(0, min(int(sizes.max(initial=0)), _LONG), 8):
        rows = np.flatnonzero((sizes > at) & (sizes <= _LONG))
        left = (sizes[rows] - at)[:, None]
        word = np.where(places < left, padded[np.minimum(starts[rows, None] + at + places, len(data))], 0)
        found[rows] = _mixed(found[rows] ^ word.astype("u1").view("<u8")[:, 0])
    for i in np.flatnonzero(sizes > _LONG).tolist():
        text = data[starts[i] : starts[i] + sizes[i]].tobytes()
        found[i] = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
    return found


def _mixed(x: Hashes) -> Hashes:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
