"""A source's plan: event times and order, and which events are refused or wait for history alone.

Knows nothing of views. Decoding came before; entity keys come after.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from headrace.definitions import BatchSource, StreamSource, UpdateSource
from headrace.definitions.update_source import AS_OF, REMOVED, VIEW_VERSION
from headrace.durations import DAY, format_duration, parse_instant
from headrace.plan.rows import Accepted, Dead
from headrace.types import DataType, Date, Int64

PARTITION_BITS = 16
OFFSET_BITS = 41

_EARLIEST = parse_instant("0001-01-01T00:00:00Z")
_FORM = "%Y-%m-%dT%H:%M:%S%.6fZ"
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
        return Accepted(timed, dead, dropped, _newest(timed["_partition"], timed["_event_time"]))

    def kept(self, frame: pl.DataFrame, *, ordered: bool = True) -> pl.DataFrame:
        """As `Accepted.frame` under a clock that never ends, for those who ask for nothing else; ``_order`` only
        where it is `ordered`."""
        return self._refused(self._timed(frame, ordered=ordered))[0]

    def _timed(self, frame: pl.DataFrame, *, ordered: bool = True) -> pl.DataFrame:
        frame = self._counted(frame)
        if not ordered:
            return frame.with_columns_seq(self._time.alias("_event_time"))
        order = pl.col("_partition").cast(pl.Int64) * (1 << OFFSET_BITS) + pl.col("_offset").cast(pl.Int64)
        if len(self._topics) > 1:
            topics = {t: i << (PARTITION_BITS + OFFSET_BITS) for i, t in enumerate(self._topics)}
            place = pl.col("_topic").cast(pl.String).replace_strict(topics, return_dtype=pl.Int64)
            order = place + order
        return frame.with_columns_seq(self._time.alias("_event_time"), order.alias("_order"))

    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Of a view's updates, those that are events: with values, and of its own version. Others: all.

        An update's record is of the instant of its values, so that a replay is judged as the stream was; never later
        than Kafka's stamp, which grows though an event may be of the future.
        """
        source = self.source
        if not isinstance(source, UpdateSource) or REMOVED not in frame.columns:
            return frame
        mine = ~pl.col(REMOVED) & (pl.col(VIEW_VERSION) == source.view.version)
        typed = [pl.col(name).cast(t.polars) for name, t in self.columns.items()]
        stamp = pl.min_horizontal(pl.col(AS_OF).cast(pl.Int64), "_timestamp")
        return frame.filter(mine).with_columns(*typed, stamp.alias("_timestamp"))

    def _refused(self, timed: pl.DataFrame) -> tuple[pl.DataFrame, list[Dead]]:
        time = timed["_event_time"]
        if self._max_ahead is None and _usual(time):
            return timed, []
        missing = time.is_null()
        beyond = (time < _EARLIEST) | (time > _LATEST)
        ahead = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(timed))
        if self._max_ahead is not None:
            stamp = timed["_timestamp"].cast(pl.Int64)
            ahead = (stamp >= 0) & (time - stamp > self._max_ahead)
        wrong = missing | beyond.fill_null(False) | ahead.fill_null(False)
        if not wrong.any():
            return timed, []
        return timed.filter(~wrong), self._dead(timed.filter(wrong))

    def _dead(self, wrong: pl.DataFrame) -> list[Dead]:
        """Rows without a usable time, each with its reason; in columns, since a flood of them may come."""
        at = wrong["_event_time"]
        missing = at.is_null()
        beyond = ((at < _EARLIEST) | (at > _LATEST)).fill_null(False)
        late = pl.lit("timestamp_missing")
        reason = pl.when(pl.col("at") > _LATEST).then(pl.lit("timestamp_future")).otherwise(late)
        told = pl.DataFrame({"row": wrong["_row"], "at": at}).with_columns(
            reason=pl.when(missing)
            .then(late)
            .when(beyond)
            .then(reason)
            .otherwise(pl.lit("timestamp_future")),
            detail=pl.when(missing)
            .then(pl.lit(self._missing))
            .otherwise(pl.format("the event time is {} us from 1970, beyond the years 1 to 9999", "at")),
        )
        details = told["detail"]
        ahead = ~(missing | beyond)
        if ahead.any():
            details = details.zip_with(~ahead, self._ahead(wrong))
        return list(zip(told["row"].to_list(), told["reason"].to_list(), details.to_list(), strict=True))

    def _ahead(self, rows: pl.DataFrame) -> pl.Series:
        """What is said of events that are too far ahead."""
        stamp = rows["_timestamp"].cast(pl.Int64)
        apart = (rows["_event_time"] - stamp).alias("apart")
        known = apart.unique().drop_nulls()
        texts = pl.Series([format_duration(abs(us)) for us in known.to_list()], dtype=pl.String)
        most = format_duration(self._max_ahead or 0)
        told = pl.select(
            pl.format(
                f"the event time {{}} is {{}} after the record's timestamp {{}}, more than max_ahead {most}",
                pl.lit(_texts(rows["_event_time"])),
                pl.lit(apart).replace_strict(known, texts, default=None, return_dtype=pl.String),
                pl.lit(_texts(stamp)),
            )
        )
        return told.to_series()


def _event_time(column: str, type: DataType) -> pl.Expr:
    """Microseconds since the Unix epoch, as the column's type has it."""
    value = pl.col(column)
    if type == Date:
        return value.cast(pl.Int32).cast(pl.Int64) * DAY
    if type == Int64:  # milliseconds; far beyond any year they would wrap around
        far = pl.lit(2**62, dtype=pl.Int64)
        return pl.when(value > 2**52).then(far).when(value < -(2**52)).then(-far).otherwise(value * 1000)
    return value.cast(pl.Int64)


def _usual(us: pl.Series) -> bool:
    """Whether every event time is there, and of the years 1 to 9999."""
    if not len(us) or us.null_count():
        return False
    return bool(us.min() >= _EARLIEST and us.max() <= _LATEST)  # type: ignore[operator]


def _texts(us: pl.Series) -> pl.Series:
    """`format_instant` of a column."""
    inside = us.is_between(_EARLIEST, _LATEST)
    return us.zip_with(inside, pl.Series([0], dtype=pl.Int64)).cast(pl.Datetime("us")).dt.to_string(_FORM)


def _newest(partition: pl.Series, time: pl.Series) -> dict[int, int]:
    """The largest time of each partition."""
    places, times = partition.to_numpy(), time.cast(pl.Int64).to_numpy()
    counts = np.bincount(places)
    newest = np.full(len(counts), np.iinfo("i8").min)
    np.maximum.at(newest, places, times)
    return {p: int(newest[p]) for p in np.flatnonzero(counts).tolist()}
