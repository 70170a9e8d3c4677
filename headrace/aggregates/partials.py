"""Partial aggregates in columns: what one algebra knows of many groups of events, as arrays side by side.

Owns taking, joining and spreading of them. What the numbers mean is the algebra's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Word: TypeAlias = NDArray[Any]  # int64 or float64


@dataclass(frozen=True)
class Partials:
    """One partial a row. `has` is whether it holds any value; where not, the words are the algebra's
    identity.

    `words` are fixed 8-byte columns; `blob` is a Binary column of one value of any length, or None for
    algebras that have none.
    """

    has: Bools
    words: tuple[Word, ...]
    blob: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.has)

    def take(self, rows: Ints | Bools) -> Partials:
        """The partials at `rows` (positions, or a mask), in that order."""
        blob = self.blob
        if blob is not None:
            blob = blob.filter(pl.Series(rows)) if rows.dtype == np.bool_ else blob[rows]
        return Partials(self.has[rows], tuple(w[rows] for w in self.words), blob)


def join(parts: Sequence[Partials]) -> Partials:
    """The partials of all `parts`, one after the other; at least one part, all of one algebra."""
    if len(parts) == 1:
        return parts[0]
    blobs = [p.blob for p in parts if p.blob is not None]
    return Partials(
        np.concatenate([p.has for p in parts]),
        tuple(np.concatenate(ws) for ws in zip(*(p.words for p in parts), strict=True)),
        pl.concat(blobs, rechunk=True) if blobs else None,
    )


def spread(part: Partials, at: Ints, empty: Partials) -> Partials:
    """`empty` with the partials of `part` put at the positions `at` (distinct)."""
    if len(at) == len(empty) and (len(at) == 0 or bool((at == np.arange(len(at))).all())):
        return part
    has = empty.has.copy()
    has[at] = part.has
    words = []
    for base, given in zip(empty.words, part.words, strict=True):
        word = base.copy()
        word[at] = given
        words.append(word)
    blob = None
    if part.blob is not None:
        where = np.full(len(empty), -1, "i8")
        where[at] = np.arange(len(at))
        blob = part.blob.gather(pl.Series(where).replace(-1, None))
    return Partials(has, tuple(words), blob)
