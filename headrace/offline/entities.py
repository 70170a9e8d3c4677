"""The entities that are asked for, as dense numbers: of spine rows, and of the events that concern them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from headrace.aggregates.partials import Ints


class Entities:
    """The distinct keys of a spine. `code` is the number of each row's entity; one past them for a null key."""

    def __init__(self, keys: pl.DataFrame) -> None:
        self.names = keys.columns
        known = keys.drop_nulls().unique(maintain_order=True)
        self._known = known.with_row_index("_code").with_columns(pl.col("_code").cast(pl.UInt32))
        found = keys.join(self._known, on=self.names, how="left", maintain_order="left")["_code"]
        self.code: Ints = found.fill_null(len(known)).cast(pl.Int64).to_numpy()

    def __len__(self) -> int:
        return len(self._known)

    def numbered(self, events: pl.DataFrame, keys: Sequence[str | pl.Expr]) -> pl.DataFrame:
        """The events of these entities, in their order, with the number as ``_code``; `keys` as in the spine."""
        exprs = [pl.col(k) if isinstance(k, str) else k for k in keys]
        known = self._known.lazy()
        return (
            events.lazy()
            .join(known, left_on=exprs, right_on=self.names, how="inner", maintain_order="left")
            .collect()
        )
