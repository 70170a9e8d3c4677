"""Events as the Arrow table that a commit writes: columns in order and of their types, dated, and within
their spans.

Refuses to write. A map, which Polars carries as a list of entries, becomes an Arrow map here.
"""

from __future__ import annotations

from typing import TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import PositionError, UsageError
from headrace.history.positions import Spans
from headrace.history.schema import DATE, HistorySchema
from headrace.types import DataType, List, Map, Struct

Events: TypeAlias = pl.DataFrame | pa.Table
"""Columns of `HistorySchema.types`, in any order."""


def history_rows(events: Events, schema: HistorySchema) -> pa.Table:
    """The events with the columns of ``schema.arrow``, `_date` worked out from the event time.

    `events` needs every column of ``schema.types``, in any order; other columns are refused, so that nothing
    is lost unsaid. Raises UsageError for those, and for an event without an event time.
    """
    names = events.columns if isinstance(events, pl.DataFrame) else events.column_names
    types = schema.types
    missing, extra = [n for n in types if n not in names], [n for n in names if n not in types and n != DATE]
    if missing or extra:
        raise UsageError(f"events for history lack {missing}, and have {extra} which the table has not")
    table = (
        events.to_arrow(compat_level=pl.CompatLevel.oldest()) if isinstance(events, pl.DataFrame) else events
    )
    columns = [_column(table[n], t) for n, t in types.items()]
    if schema.event_time is None:
        dates = table[DATE].cast(pa.date32())
    else:
        dates = _date(columns[list(types).index(schema.event_time)])
    if dates.null_count:
        raise UsageError(
            f"{dates.null_count} events for history have no event time (`{schema.event_time or DATE}`)"
        )
    return pa.Table.from_arrays([*columns, dates], schema=schema.arrow)


def require_within(rows: pa.Table, spans: Spans) -> None:
    """Raises PositionError if an event stands outside the spans that the commit is to cover."""
    frame = pl.DataFrame(
        {n: pl.from_arrow(rows[n]) for n in ("_topic", "_partition", "_offset")},
    )
    seen = frame.group_by("_topic", "_partition").agg(
        pl.col("_offset").min().alias("first"), pl.col("_offset").max().alias("last")
    )
    for topic, partition, first, last in seen.iter_rows():
        start, end = spans.get((topic, partition), (0, 0))
        if not start <= first <= last < end:
            raise PositionError(
                f"events {first} to {last} of {topic}/{partition} are not within the offsets of their commit,"
                f" [{start}, {end})"
            )


def _date(time: pa.ChunkedArray) -> pa.ChunkedArray:
    # Down to the day, also before 1970, where a cast of the integers would round up.
    return (
        time.cast(pa.date32())
        if pa.types.is_date(time.type)
        else pc.floor_temporal(time, unit="day").cast(pa.date32())
    )


def _column(column: pa.ChunkedArray, type: DataType) -> pa.ChunkedArray:
    if not _holds_map(type):
        return column.cast(type.arrow)
    return pa.chunked_array([_carried(chunk, type) for chunk in column.chunks], type.arrow)


def _carried(array: pa.Array, type: DataType) -> pa.Array:
    """The array as the Arrow type of `type`; lists of entries become maps."""
    if array.type == type.arrow or not _holds_map(type):
        return array.cast(type.arrow)
    gone = array.is_null()
    if isinstance(type, Struct):
        parts = dict(zip([f.name for f in array.type], array.flatten(), strict=True))
        carried = [_carried(parts[n], t) for n, t in type.fields]
        return pa.StructArray.from_arrays(carried, fields=list(type.arrow), mask=gone)
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    items = array.flatten()
    if isinstance(type, List):
        return pa.ListArray.from_arrays(offsets, _carried(items, type.item), type=type.arrow, mask=gone)
    assert isinstance(type, Map)
    keys, values = items.flatten()
    return pa.MapArray.from_arrays(
        offsets, _carried(keys, type.key), _carried(values, type.value), type=type.arrow, mask=gone
    )


def _holds_map(type: DataType) -> bool:
    if isinstance(type, Struct):
        return any(_holds_map(t) for _, t in type.fields)
    return isinstance(type, Map) or (isinstance(type, List) and _holds_map(type.item))
