"""A view's state from history: every event before given offsets, through the same core that the stream goes through.

Owns which events count and that memory follows a bucket of entities, not history. What comes out are the records that
a worker would have at those offsets. Refuses to know where state is kept and who goes on from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import polars as pl

from headrace.durations import parse_duration, parse_instant
from headrace.errors import StateError, UsageError
from headrace.history.positions import Place
from headrace.offline.sources import Events
from headrace.offline.spill import Partitions
from headrace.panes import ViewCore
from headrace.panes import progress as records
from headrace.panes.core import Clock
from headrace.panes.flush import Writes
from headrace.plan import ViewPlan

BUCKET = 400_000
"""Events of one step, about: what is in memory of them at once."""
BUCKETS = 512
"""Buckets of all partitions together, at most: each may have a file open."""

LAST = 1 << 62

Target: TypeAlias = Callable[[pl.Series], pl.Series]
"""Entity keys -> the partition (Int32) that each one's state is on."""

Built: TypeAlias = tuple[int, list[bytes], list[bytes]]
"""A partition, and some of its state records."""


@dataclass
class Rebuilding:
    """Rebuilds one view. `until`: each source partition's offsets below which events count; `first`: the earliest
    event time (microseconds). `partitions` of state; `target` says which is an entity's, None: the one its events are
    read from. A context manager: what is spilled to `folder` goes at its end.
    """

    plan: ViewPlan
    clock: Clock
    until: Mapping[Place, int]
    first: int
    partitions: int
    target: Target | None = None
    folder: Path | None = None
    bucket: int = BUCKET
    clocks: dict[Place, int] = field(default_factory=dict)
    """The largest event time accepted on each source partition, once `read` is done."""
    events: int = 0
    """How many events of the view came in."""

    def __post_init__(self) -> None:
        self._reached: dict[int, dict[int, int]] = {p: {} for p in range(self.partitions)}
        self._spilled = Partitions(self.partitions, self.folder)
        self._buckets = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._spilled.__exit__(kind, error, at)

    def read(self, events: Events, going_on: Callable[[], bool] = lambda: True) -> bool:
        """Read history and scatter the view's rows by entity; False if `going_on` said no in between."""
        if self.plan.dedup is None:  # copies are told apart among all events of a partition
            expected = events.expected(self.first, LAST)
            most = max(1, BUCKETS // self.partitions)
            self._buckets = min(max(1, -(-expected // (self.partitions * self.bucket))), most)
        self._spilled = Partitions(self.partitions * self._buckets, self.folder)
        for batch in events.batches(self.plan.projection.needs | {"_topic"}, self.first, LAST):
            if not going_on():
                return False
            self._add(self._before(batch))
        return True

    def _before(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The events below the offsets at which the stream goes on."""
        limits = pl.DataFrame(
            [(t, p, end) for (t, p), end in self.until.items()],
            schema={"_topic": pl.String, "_partition": pl.Int32, "_end": pl.Int64},
            orient="row",
        )
        placed = batch.join(limits, on=["_topic", "_partition"], how="left", maintain_order="left")
        if unknown := placed.filter(pl.col("_end").is_null()).height:
            raise StateError(
                f"history of `{self.plan.view.source.name}` has {unknown} events of partitions that the topic does not "
                "have: it was made again with fewer. Give the new topic another source name"
            )
        return placed.filter(pl.col("_offset") < pl.col("_end")).drop("_end")

    def _add(self, frame: pl.DataFrame) -> None:
        accepted = self.plan.source.accept(frame, clock=self.clock).frame.filter(
            pl.col("_event_time") >= self.first
        )
        newest = accepted.group_by("_topic", "_partition").agg(pl.col("_event_time").max())
        for topic, partition, at in newest.iter_rows():
            place = (topic, int(partition))
            self.clocks[place] = max(at, self.clocks.get(place, at))
        rows = self.plan.project(accepted).rows
        if rows.is_empty():
            return
        if self.target is not None:
            rows = rows.with_columns(_partition=self.target(rows["_key"]).cast(pl.Int32))
        if records.RECORDED in rows.columns:
            self._note(rows)
        self.events += rows.height
        bucket = (rows["_key"].hash(0) % self._buckets).cast(pl.Int64)
        part = rows["_partition"].cast(pl.Int64) * self._buckets + bucket
        self._spilled.add(rows, part.to_numpy())

    def _note(self, rows: pl.DataFrame) -> None:
        for partition, source, at in records.furthest(rows).iter_rows():
            known = self._reached[partition]
            known[source] = max(at, known.get(source, at))

    def clock_of(self, partition: int) -> int | None:
        """The event clock of a partition of state: its own events', or everybody's where they are shuffled."""
        here = [at for (_, p), at in self.clocks.items() if self.target is not None or p == partition]
        return max(here, default=None)

    def state(self, now: int) -> Iterator[Built]:
        """The records, partition by partition in order, as of `now` (the wall clock, microseconds).

        Once: the rows are forgotten on the way.
        """
        core = ViewCore(self.plan, clock=self.clock)
        for partition in range(self.partitions):
            clock, shared = self._instant(partition, now), self._shared(partition)
            for bucket in range(self._buckets):
                rows = self._spilled.take(partition * self._buckets + bucket)
                if rows is None:
                    continue
                update = core.step(rows, {}, {partition: clock}, partial(_shared_only, shared))
                writes = update.partitions.get(partition, Writes())
                keys, values = _of_entities(writes, shared)
                if keys:
                    yield partition, keys, values
            if shared:
                yield partition, list(shared), list(shared.values())

    def _shared(self, partition: int) -> dict[bytes, bytes]:
        """The records of a partition that are no entity's: how far its sources have come, from the start."""
        reached = self._reached[partition]
        return {records.KEY: records.packed(reached)} if reached else {}

    def _instant(self, partition: int, now: int) -> int:
        if self.clock == "wall":
            return now
        newest = self.clock_of(partition) if self.clock == "event" else self.clock
        return -LAST if newest is None else newest


def _shared_only(shared: Mapping[bytes, bytes], _: int, keys: list[bytes]) -> list[bytes | None]:
    """What a step reads: an entity is in one bucket, and so in one step, before which it has no records."""
    return [shared.get(key) for key in keys]


def _of_entities(writes: Writes, shared: dict[bytes, bytes]) -> tuple[list[bytes], list[bytes]]:
    """A step's head and tail records; the others change `shared`."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for key, value in zip(writes.keys, writes.values, strict=True):
        if key[:1] in (b"h", b"t"):
            if value is not None:
                keys.append(key)
                values.append(value)
        elif value is None:
            shared.pop(key, None)
        else:
            shared[key] = value
    return keys, values


def by_hash(place: Callable[[str], int]) -> Target:
    """A target by a function of the entity's text, asked once for each distinct key of a batch."""

    def target(keys: pl.Series) -> pl.Series:
        distinct = keys.unique()
        places = pl.Series([place(k) for k in distinct.to_list()], dtype=pl.Int32)
        return keys.replace_strict(distinct, places, return_dtype=pl.Int32)

    return target


def earliest(backfill: str | None, now: int) -> int:
    """The instant that a view's `backfill` means: a duration before `now`, or an instant."""
    if backfill is None:
        raise UsageError("from when? Give --from, or declare backfill= in the view, such as backfill='90d'")
    try:
        return now - parse_duration(backfill)
    except ValueError:
        return parse_instant(backfill)


def until_of(
    places: Mapping[Place, tuple[int, int]],
    kept: Mapping[Place, int | None],
    at_most: Mapping[Place, int],
    source: str,
) -> dict[Place, int]:
    """Where the stream goes on, by source partition: where history ends, or earlier (`at_most`).

    `places`: the log's start and end. StateError where the log does not hold what comes after history.
    """
    out = {}
    for place, (begin, end) in places.items():
        position = kept.get(place)
        until = begin if position is None else min(position, at_most.get(place, position))
        if until > end:
            raise StateError(
                f"{place[0]}[{place[1]}]: history of `{source}` goes to offset {until}, the log ends at {end}: it "
                "was cut or made again. Give the new topic another source name"
            )
        if until < begin:
            raise StateError(
                f"{place[0]}[{place[1]}]: history of `{source}` ends at offset {until}, the log begins at {begin}: "
                f"{begin - until} events are in neither. Let `headrace history` go on where it stands"
            )
        out[place] = until
    return out
