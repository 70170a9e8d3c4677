"""Which rows of a batch cannot be used, and why: found column by column, while carriers become columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from headrace.avro.varints import I8, Mask

Rows: TypeAlias = I8 | None
"""The row that each element of a column belongs to; None where element i belongs to row i."""


class Marks:
    """Bad rows out of `n`, each with its first fault: a dead-letter reason and a detail."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.faults: list[tuple[str, str]] = []
        self._fault: I8 | None = None

    def mark(self, bad: Mask, rows: Rows, reason: str, detail: str) -> None:
        """Mark the rows of the elements set in `bad`."""
        if not bad.any():
            return
        hit = np.flatnonzero(bad)
        hit = hit if rows is None else rows[hit]
        if self._fault is None:
            self._fault = np.zeros(self.n, np.int64)
        hit = hit[self._fault[hit] == 0]
        if len(hit):
            self.faults.append((reason, detail))
            self._fault[hit] = len(self.faults)

    @property
    def good(self) -> Mask | None:
        """The rows without a fault; None where that is all of them."""
        return None if self._fault is None else self._fault == 0

    def bad(self) -> Iterator[tuple[int, str, str]]:
        """Row, reason and detail of each bad row, in row order."""
        if self._fault is None:
            return
        for row in np.flatnonzero(self._fault).tolist():
            yield row, *self.faults[int(self._fault[row]) - 1]
