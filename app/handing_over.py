"""Where the stream goes on after a backfill from a frame: by the offsets that its rows tell, or by time.

A frame with ``_partition`` and ``_offset`` is exact, as history is. One without says nothing of offsets: who gives it
says by `end` which records it stands for. Refuses what could put an entity on a partition that is not its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import polars as pl

from agents.stages import ViewStage
from headrace.definitions import StreamSource
from headrace.errors import UsageError
from headrace.history.positions import Place
from headrace.offline.rebuilding import LAST, until_of
from tables.kafka.topics import TopicInfo, Topics

Until: TypeAlias = Mapping[Place, int]


def positions_of(
    view: ViewStage,
    stream: StreamSource,
    past: pl.LazyFrame,
    topics: Topics,
    known: Mapping[str, TopicInfo],
    end: int | None,
) -> tuple[Until, Until]:
    """Where the stream goes on, and below which offsets rows of the frame count, each by source partition.

    `end`: microseconds; the stream goes on with the first records of that time at the latest. UsageError for a frame
    whose rows cannot be placed, StateError where frame and log leave a gap.
    """
    columns = past.collect_schema().names()
    places = places_of(stream, topics, known)
    if {"_partition", "_offset"} <= set(columns):
        if len(stream.topics) > 1 and "_topic" not in columns:
            raise UsageError(
                f"the frame has no `_topic`, and `{stream.name}` has {len(stream.topics)}: add it"
            )
        until = until_of(places, _ends(stream, past, columns), at_most(places, topics, end), stream.name)
        return until, until
    if view.repartition is None:
        raise UsageError(
            f"the frame has no `_partition` and `_offset`. `{view.id}` is computed where its events are read, so each "
            "row must say where it stands in the topic, as history does"
        )
    return at_most(places, topics, end) or _begins(stream, places, topics), dict.fromkeys(places, LAST)


def places_of(
    stream: StreamSource, topics: Topics, known: Mapping[str, TopicInfo]
) -> Mapping[Place, tuple[int, int]]:
    """The log's start and end by source partition."""
    return {(t, p): topics.bounds(t, p) for t in stream.topics for p in range(known[t].partitions)}


def at_most(places: Mapping[Place, object], topics: Topics, end: int | None) -> dict[Place, int]:
    """The first offset of `end` (microseconds) or later by source partition; nothing without one."""
    return {} if end is None else {(t, p): topics.offset_at(t, p, end // 1000) for t, p in places}


def _ends(stream: StreamSource, past: pl.LazyFrame, columns: list[str]) -> dict[Place, int | None]:
    topic = pl.col("_topic").cast(pl.String) if "_topic" in columns else pl.lit(stream.topics[0])
    ends = past.group_by(topic.alias("_topic"), "_partition").agg(pl.col("_offset").max() + 1).collect()
    return {(t, int(p)): int(end) for t, p, end in ends.select("_topic", "_partition", "_offset").iter_rows()}


def _begins(
    stream: StreamSource, places: Mapping[Place, tuple[int, int]], topics: Topics
) -> dict[Place, int]:
    """Where a new view begins, as the source says."""
    if isinstance(stream.start, int):
        return at_most(places, topics, stream.start)
    return {place: bounds[stream.start == "latest"] for place, bounds in places.items()}
