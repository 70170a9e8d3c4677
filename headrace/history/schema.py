"""The columns of a source's history: the source's own, where each event stood in Kafka, and the date it falls
on.

Refuses to know how rows are made (`rows`) or stored (`table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from headrace.errors import SchemaError
from headrace.types import (
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
)

META: Mapping[str, DataType] = {
    "_topic": String,
    "_partition": Int32,
    "_offset": Int64,
    "_timestamp": Timestamp,
    "_ingested_at": Timestamp,
}
"""Where an event stood in the log, Kafka's timestamp of it, and when history took it."""

DATE = "_date"
"""The UTC date of the event time, which files are partitioned by."""


@dataclass(frozen=True)
class HistorySchema:
    """The columns of one source and the one that is its event time (``_timestamp`` if it names none).

    With None as the event time, the events bring their ``_date`` themselves.

    Raises SchemaError for a column that has a name of ours, a type that Parquet has not, or an event time
    that is neither a Timestamp nor a Date. Every column may be null.
    """

    columns: Mapping[str, DataType]
    event_time: str | None = "_timestamp"

    def __post_init__(self) -> None:
        for name, type in self.columns.items():
            if name in META or name == DATE:
                raise SchemaError(
                    f"a column `{name}` cannot be kept: history has a column of its own by that name",
                    hint="Rename it.",
                )
            if _holds_null(type):
                raise SchemaError(f"column `{name}` cannot be kept: no Parquet column has the type {type}")
        if self.event_time is not None and self.types.get(self.event_time) not in (Timestamp, Date):
            raise SchemaError(
                f"the event time `{self.event_time}` is no column that history can be dated by",
                expected="a column of type Timestamp or Date",
                got=str(self.types.get(self.event_time, "no such column")),
            )

    @property
    def types(self) -> dict[str, DataType]:
        """Every column but `_date`, in order."""
        return {**self.columns, **META}

    @property
    def arrow(self) -> pa.Schema:
        """Every column, `_date` last."""
        return pa.schema([pa.field(n, t.arrow) for n, t in (self.types | {DATE: Date}).items()])


PROMOTED = frozenset({(Int32, Int64), (Int32, Float64), (Float32, Float64)})
"""Avro's promotions of which every value stays what it was."""


def widened(name: str, stored: DataType, wanted: DataType) -> DataType:
    """The type of a column that holds what is stored and what is wanted: structs may gain members, and numbers may be
    promoted where no value changes (`PROMOTED`, and decimals of as many digits behind the point).

    Raises SchemaError where the two differ otherwise.
    """
    if stored == wanted or (stored, wanted) in PROMOTED or _holds_all(stored, wanted):
        return wanted
    if isinstance(stored, List) and isinstance(wanted, List):
        return List(widened(name, stored.item, wanted.item))
    if isinstance(stored, Map) and isinstance(wanted, Map):
        return Map(widened(name, stored.key, wanted.key), widened(name, stored.value, wanted.value))
    if isinstance(stored, Struct) and isinstance(wanted, Struct):
        have, want = dict(stored.fields), dict(wanted.fields)
        kept = {n: widened(f"{name}.{n}", t, want.get(n, t)) for n, t in have.items()}
        return Struct(kept | {n: t for n, t in want.items() if n not in have})
    raise SchemaError(
        f"column `{name}` changed its type",
        expected=f"{stored}, as the history table has it",
        got=str(wanted),
        hint="Ints become Int64 or Float64, Float32 becomes Float64, else a column keeps its type: give the new one "
        "another name, or the source, and so its table, a new name.",
    )


def gained(stored: DataType, wanted: DataType) -> bool:
    """Whether `wanted` (of `widened`) is what is stored, but for members that structs have gained."""
    if isinstance(stored, List) and isinstance(wanted, List):
        return gained(stored.item, wanted.item)
    if isinstance(stored, Map) and isinstance(wanted, Map):
        return gained(stored.key, wanted.key) and gained(stored.value, wanted.value)
    if isinstance(stored, Struct) and isinstance(wanted, Struct):
        now = dict(wanted.fields)
        return all(gained(t, now[n]) for n, t in dict(stored.fields).items())
    return stored == wanted


def _holds_all(stored: DataType, wanted: DataType) -> bool:
    if not isinstance(stored, Decimal) or not isinstance(wanted, Decimal):
        return False
    return stored.scale == wanted.scale and stored.precision <= wanted.precision


def _holds_null(type: DataType) -> bool:
    if isinstance(type, List):
        return _holds_null(type.item)
    if isinstance(type, Map):
        return _holds_null(type.key) or _holds_null(type.value)
    if isinstance(type, Struct):
        return not type.fields or any(_holds_null(t) for _, t in type.fields)
    return type == Null
