"""What a source's frame becomes on its way to the panes: named shapes, no behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

Dead: TypeAlias = tuple[int, str, str]
"""(the record's `_row`, a dead-letter reason of spec section 7, the detail)."""


@dataclass(frozen=True)
class Accepted:
    """A source's frame with ``_event_time`` and ``_order`` (Int64), without what was refused.

    `dropped_after_clock` events are later than a fixed clock: for history alone. `max_event_time` is the
    largest accepted event time of each partition, in microseconds.
    """

    frame: pl.DataFrame
    dead: list[Dead]
    dropped_after_clock: int
    max_event_time: dict[int, int]


@dataclass(frozen=True)
class Projected:
    """A view's rows: ``_partition`` Int32, ``_key`` String, ``_event_time`` and ``_order`` Int64, the inputs.

    `skipped_null_key` rows had a null in the view's entity key; `null_keys` are their `_row`s.
    """

    rows: pl.DataFrame
    skipped_null_key: int
    dead: list[Dead]
    null_keys: Sequence[int] = ()
