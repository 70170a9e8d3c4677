"""A source's plan: event times and order, and which events are refused or wait for history alone.

Knows nothing of views. Decoding came before; entity keys come after.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from headrace.definitions import BatchSource, StreamSource
from headrace.durations import DAY, format_duration, format_instant, parse_instant
from headrace.plan.rows import Accepted, Dead
from headrace.types import DataType, Date, Int64

PARTITION_BITS = 16
OFFSET_BITS = 41

_EARLIEST = parse_instant("0001-01-01T00:00:00Z")
_LATEST = parse_instant("9999-12-31T23:59:59.999999Z")


class SourcePlan:
    """What is done once for all views of a source."""

    def __init__(self, source: StreamSource | BatchSource) -> None:
        self.source = source
        self.columns: dict[str, DataType] = dict(source.columns)
        stream = source if isinstance(source, StreamSource) else None
        self._topics = stream.topics if stream else ()
        self._max_ahead = stream.max_ahead if stream else None
        column = source.timestamp
        self._missing = f"`{column}` is null" if column else "the record has no timestamp"
        self._time = _event_time(column, self.columns[column]) if column else pl.col("_timestamp")

    def accept(self, frame: pl.DataFrame, *, clock: Literal["wall", "event"] | int) -> Accepted:
        """Give each event its time and its order; refuse those without a time or too far ahead.

        `frame` has the source's columns and ``_partition``, ``_offset``, ``_timestamp`` (microseconds; null
        or negative if the record has none), ``_row``, and ``_topic`` if there are several. ``_order`` is
        one Int64 that sorts like (topic as declared, partition, offset). With a fixed `clock`, later events
        are dropped.
        """
        timed, dead = self._refused(self._timed(frame))
        dropped = 0
        if isinstance(clock, int):
            kept = timed.filter(pl.col("_event_time") <= clock)
            dropped = len(timed) - len(kept)
            timed = kept
        newest = timed.group_by("_partition").agg(pl.col("_event_time").max())
        return Accepted(timed, dead, dropped, dict(newest.iter_rows()))

    def kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """As `Accepted.frame` under a clock that never ends, for those who ask for nothing else."""
        return self._refused(self._timed(frame))[0]

    def _timed(self, frame: pl.DataFrame) -> pl.DataFrame:
        order = pl.col("_partition").cast(pl.Int64) * (1 << OFFSET_BITS) + pl.col("_offset").cast(pl.Int64)
        if len(self._topics) > 1:
            topics = {t: i << (PARTITION_BITS + OFFSET_BITS) for i, t in enumerate(self._topics)}
            place = pl.col("_topic").cast(pl.String).replace_strict(topics, return_dtype=pl.Int64)
            order = place + order
        return frame.with_columns(self._time.alias("_event_time"), order.alias("_order"))

    def _refused(self, timed: pl.DataFrame) -> tuple[pl.DataFrame, list[Dead]]:
        time = timed["_event_time"]
        missing = time.is_null()
        beyond = (time < _EARLIEST) | (time > _LATEST)
        ahead = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(timed))
        if self._max_ahead is not None:
            stamp = timed["_timestamp"].cast(pl.Int64)
            ahead = (stamp >= 0) & (time - stamp > self._max_ahead)
        wrong = missing | beyond.fill_null(False) | ahead.fill_null(False)
        if not wrong.any():
            return timed, []
        dead: list[Dead] = []
        columns = timed.filter(wrong).select("_row", "_event_time", "_timestamp")
        for row, at, stamp in columns.iter_rows():
            if at is None:
                dead.append((row, "timestamp_missing", self._missing))
            elif not _EARLIEST <= at <= _LATEST:
                detail = f"the event time is {at} us from 1970, beyond the years 1 to 9999"
                dead.append((row, "timestamp_future" if at > 0 else "timestamp_missing", detail))
            else:
                told = (
                    format_duration(at - stamp),
                    format_instant(stamp),
                    format_duration(self._max_ahead or 0),
                )
                detail = "the event time {} is {} after the record's timestamp {}, more than max_ahead {}"
                detail = detail.format(format_instant(at), *told)
                dead.append((row, "timestamp_future", detail))
        return timed.filter(~wrong), dead


def _event_time(column: str, type: DataType) -> pl.Expr:
    """Microseconds since the Unix epoch, as the column's type has it."""
    value = pl.col(column)
    if type == Date:
        return value.cast(pl.Int32).cast(pl.Int64) * DAY
    if type == Int64:  # milliseconds; far beyond any year they would wrap around
        far = pl.lit(2**62, dtype=pl.Int64)
        return pl.when(value > 2**52).then(far).when(value < -(2**52)).then(-far).otherwise(value * 1000)
    return value.cast(pl.Int64)
