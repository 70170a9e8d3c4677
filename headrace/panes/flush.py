"""What goes into and comes out of one step of a view's panes: named shapes, no behaviour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

Read: TypeAlias = Callable[[int, list[bytes]], list[bytes | None]]
"""(partition, state keys) -> the stored values in the same order, None for what is not there. One
multi-get.
"""

NO_TIMERS = pl.DataFrame(schema={"due": pl.Int64, "key": pl.Binary})
"""Timers are a frame: `due` (instant in microseconds) and `key` (the entity's text as UTF-8); this one is empty."""

REPUBLISH = -1
"""In place of a due instant: emit the entity's values again (`ViewCore.step`), whatever its timer says."""


def again(entities: Sequence[bytes]) -> pl.DataFrame:
    """Timers that ask for entities' values to be emitted again."""
    keys = pl.Series("key", entities, dtype=pl.Binary)
    return keys.to_frame().select_seq(due=pl.lit(REPUBLISH, pl.Int64), key="key")


@dataclass
class Writes:
    """What one partition's state takes on: `values[i]` under `keys[i]`, None deletes; and timers to add."""

    keys: list[bytes] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    timers: pl.DataFrame = field(default_factory=lambda: NO_TIMERS)


@dataclass(frozen=True)
class Update:
    """What one step changes.

    `online` has one row for each emitted entity, ordered by partition: ``_partition`` Int32, ``_key`` String,
    one typed column for each feature (null: absent), ``_event_time`` and ``_as_of`` Int64 microseconds,
    ``_ttl`` Int64 milliseconds or null, ``_remove`` Bool (the entity is to leave the online store).
    `late_events` were too late for every window; `rows` came in; `entities` are those that had rows or
    timers; `capped` values did not fit their type (an integer sum beyond Int64); `copies` of
    events that came before, by their event id, were left out.
    """

    partitions: dict[int, Writes]
    online: pl.DataFrame
    late_events: int
    rows: int
    entities: int
    capped: int = 0
    copies: int = 0
