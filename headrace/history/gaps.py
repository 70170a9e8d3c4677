"""Gaps: events that a table was given and has no more, by topic, partition and offsets.

An offset without an event is no gap by itself: of control records, aborted transactions, compacted topics and dead
letters there is none. The rule: of each partition the table has as many events as its commits brought (`account`).
Where nobody kept account, as in a table made by hand, each offset between the first and the position has an event.
Refuses to say why events are gone, and to bring them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from deltalake import DeltaTable

from headrace.aggregates.partials import Ints
from headrace.errors import PositionError
from headrace.history.account import begin_name, committed, position_name, retired
from headrace.history.positions import Place
from headrace.history.read import scan

SHOWN = 5
"""So many partitions, and so many runs of offsets in each, are named; the rest is counted."""


@dataclass(frozen=True)
class Gap:
    """`events` are gone from a partition. `spans`: the runs [start, end) of offsets that have no event.

    The runs hold more offsets than there are events where some of them never had one.
    """

    topic: str
    partition: int
    events: int
    spans: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        runs = [f"{a}" if b == a + 1 else f"{a} to {b - 1}" for a, b in self.spans[:SHOWN]]
        more = f" and {len(self.spans) - SHOWN} more runs" if len(self.spans) > SHOWN else ""
        exact = sum(b - a for a, b in self.spans) == self.events
        word = "event" if self.events == 1 else "events"
        where = "at" if exact else "among the"
        return f"{self.topic}/{self.partition} lacks {self.events} {word} {where} offsets {', '.join(runs)}{more}"

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The gap that `told` tells."""
        return cls(
            told["topic"], told["partition"], told["events"], tuple((a, b) for a, b in told["offsets"])
        )

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "events": self.events,
            "offsets": [list(s) for s in self.spans],
        }


@dataclass(frozen=True)
class Whole:
    """What was found of one version of a table: its gaps, and the files that it names and the store has not."""

    gaps: tuple[Gap, ...] = ()
    gone: tuple[str, ...] = ()


def gaps_of(table: DeltaTable, writer: str, topics: Sequence[str], gone: Sequence[str] = ()) -> Whole:
    """The gaps of the version that `table` is at, ordered by topic and partition.

    `gone` are files that the store has lost (`headrace.history.files.lost`). Where all is there this costs a look into
    the log for each partition: no file is read, and none looked for.
    """
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    numbers = files["max._partition"].drop_nulls().to_list() if "max._partition" in files.columns else []
    partitions = max(numbers, default=0) + 1
    given = committed(table, writer, topics, partitions)
    counts = [n for n in given.values() if n is not None]
    there = int(files["num_records"].sum()) if len(files) and not files["num_records"].null_count() else 0
    if counts and not gone and there == sum(counts):
        return Whole()
    rows = remaining(table, gone)
    if "_offset" not in rows.collect_schema():
        return Whole(gone=tuple(gone))
    whole = rows.group_by("_topic", "_partition").agg(
        pl.len().alias("n"), pl.col("_offset").min().alias("first"), pl.col("_offset").max().alias("last")
    )
    seen = {(t, p): (n, first, last + 1) for t, p, n, first, last in whole.collect().iter_rows()}
    found = [
        _gap(table, writer, place, seen.get(place), given.get(place), rows)
        for place in sorted({*seen, *(p for p, n in given.items() if n)})
    ]
    return Whole(tuple(g for g in found if g is not None), tuple(gone))


def _gap(
    table: DeltaTable,
    writer: str,
    place: Place,
    seen: tuple[int, int, int] | None,
    given: int | None,
    rows: pl.LazyFrame,
) -> Gap | None:
    n, first, last = seen or (0, 0, 0)
    if given is not None and n >= given:
        return None
    begin = table.transaction_version(begin_name(writer, place))
    end = table.transaction_version(position_name(writer, place))
    begin, end = first if begin is None else begin, last if end is None else end
    gone = retired(table, writer, place)
    if given is None and n + gone >= end - begin:
        return None
    of_place = rows.filter((pl.col("_topic") == place[0]) & (pl.col("_partition") == place[1]))
    offsets = of_place.select(pl.col("_offset").unique().sort()).collect().to_series().to_numpy()
    spans = _without(offsets, begin, end)
    events = sum(b - a for a, b in spans) - gone if given is None else given - n
    return Gap(*place, events, spans) if events > 0 else None


def _without(offsets: Ints, begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """The runs of [begin, end) that none of the ascending `offsets` is in."""
    inside = offsets[(offsets >= begin) & (offsets < end)]
    edges = np.concatenate(([begin - 1], inside, [end])).astype("i8")
    at = np.flatnonzero(np.diff(edges) > 1)
    return tuple((int(a) + 1, int(b)) for a, b in zip(edges[at], edges[at + 1], strict=True))


def remaining(table: DeltaTable, gone: Sequence[str]) -> pl.LazyFrame:
    """The rows of the table without those of files that are gone."""
    if not gone:
        return scan(table)
    kept = pl.DataFrame(table.get_add_actions(flatten=True)).filter(~pl.col("path").is_in(gone))
    return scan(table, kept["path"].to_list())


def refuse(source: str, uri: str, gaps: Sequence[Gap]) -> PositionError:
    """The error that names the gaps of a source's history."""
    named = "; ".join(map(str, gaps[:SHOWN]))
    more = f"; and {len(gaps) - SHOWN} more partitions" if len(gaps) > SHOWN else ""
    return PositionError(
        f"the history of source `{source}` at {uri} has a gap: {named}{more}. Values would be wrong where these events "
        "count. Put them back from an older version of the table (docs/guide/training-sets.md), or go on without "
        "them: --allow-gaps, or allow_gaps=True"
    )
