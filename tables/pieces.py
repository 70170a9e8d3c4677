"""A column of bytes as a sequence that is gone through once: its items are made some at a time, as they are reached.

The interpreter gives the memory of a long list back when it goes, and the kernel clears it anew for the next one: of
values of 300 bytes that was a fifth of what it costs to write them. A few hundred items always have the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

import polars as pl

AT_ONCE = 512


class Pieces(Sequence[bytes | None]):
    """The items of `column` (Binary)."""

    def __init__(self, column: pl.Series) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...
    @overload
    def __getitem__(self, at: slice) -> Pieces: ...
    def __getitem__(self, at: int | slice) -> bytes | Pieces | None:
        return Pieces(self._column[at]) if isinstance(at, slice) else self._column[at]

    def __contains__(self, item: object) -> bool:
        return self._column.null_count() > 0 if item is None else super().__contains__(item)

    def __iter__(self) -> Iterator[bytes | None]:
        return chain.from_iterable(self._made())

    def _made(self) -> Iterator[list[bytes | None]]:
        for begin in range(0, len(self._column), AT_ONCE):
            # Held until the next piece is made, so that its memory goes to the one after that.
            piece = self._column.slice(begin, AT_ONCE).to_list()
            yield piece
