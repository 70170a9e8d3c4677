"""JSON's values as Arrow types, and those as columns: what the quick way of reading JSON can carry.

A column's text or number form is chosen per batch (`Forms`): a timestamp is ISO 8601 text or an integer in its
logical type's unit, a decimal is text or a number. What the quick way is not sure of is marked, never changed: the
exact way decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.arrow import lists
from headrace.avro.mapping import data_type, nullable
from headrace.avro.marks import Marks, Rows
from headrace.avro.nodes import MISSING, Array, Enum, Logical, Node, Primitive, Record, Union
from headrace.avro.scalars import DAYS, MICROS
from headrace.types import Date, Timestamp

Forms = Mapping[str, str]
"""Path of a date, timestamp, time or decimal -> "text" or "number"; text where it is not there."""

_SIMPLE = {"boolean": pa.bool_(), "int": pa.int64(), "long": pa.int64(), "string": pa.string()}
_FLOATING = {"float": pa.float64(), "double": pa.float64()}
_PER_MICRO = {"millis": (1_000, 1), "micros": (1, 1), "nanos": (1, 1_000)}
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_SURELY = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d:[0-5]\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?$"
_ISO = ("%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")


class BeyondArrowError(Exception):
    """Arrow's JSON reader has no type for this: a map, a union of several, bytes."""


def arrow_schema(record: Record, forms: Forms) -> pa.Schema:
    """The types to read a record's JSON with. BeyondArrowError where there is none."""
    return pa.schema([pa.field(f.name, _arrow(f.node, f.name, forms)) for f in record.fields])


def _arrow(node: Node, path: str, forms: Forms) -> pa.DataType:
    match node:
        case Primitive(kind, logical) if logical is not None and logical.name not in ("uuid", "decimal"):
            return pa.int64() if forms.get(path) == "number" else pa.string()
        case Primitive(kind, None) if kind in _SIMPLE or kind in _FLOATING:
            return _SIMPLE.get(kind) or _FLOATING[kind]
        case Enum():
            return pa.string()
        case Array(items):
            return pa.list_(_arrow(items, path + "[]", forms))
        case Record(_, fields):
            return pa.struct([pa.field(f.name, _arrow(f.node, f"{path}.{f.name}", forms)) for f in fields])
        case Union() if node.optional is not None:
            return _arrow(node.optional, path, forms)
    raise BeyondArrowError(path)


def observed_forms(record: Record, value: Any) -> dict[str, str]:
    """The forms that one JSON object shows."""
    found: dict[str, str] = {}

    def look(node: Node, at: Any, path: str) -> None:
        match node:
            case Union() if node.optional is not None:
                look(node.optional, at, path)
            case Array(items) if isinstance(at, list):
                for item in at:
                    look(items, item, path + "[]")
            case Record(_, fields) if isinstance(at, dict):
                for f in fields:
                    look(f.node, at.get(f.name), f"{path}.{f.name}" if path else f.name)
            case Primitive(_, logical) if logical is not None and at is not None:
                found[path] = "text" if isinstance(at, str) else "number"

    look(record, value, "")
    return found


def column(node: Node, read: pl.Series, marks: Marks, rows: Rows, default: Any = MISSING) -> pl.Series:
    """What Arrow read of a field, as its column; marked where the exact way must decide.

    That is: a null where there may be none or a default stands ready, a number that is too large for its type or
    is not finite, a symbol that the enum lacks, a text that is no time.
    """
    if read.null_count() and (not nullable(node) or default not in (MISSING, None)):
        _mark(marks, rows, read.is_null())
    inner = node.optional if isinstance(node, Union) else node
    assert inner is not None
    return _values(inner, read, marks, rows)


def _values(node: Node, read: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
    match node:
        case Primitive(_, logical) if logical is not None and logical.name != "uuid":
            return _moments(node, logical, read, marks, rows)
        case Primitive("int"):
            _mark(marks, rows, ~read.is_between(-(2**31), 2**31 - 1))
            return read.cast(pl.Int32, strict=False)
        case Primitive("float" | "double" as kind):
            wide = read.cast(pl.Float32) if kind == "float" else read
            _mark(marks, rows, ~wide.is_finite())
            return wide
        case Primitive("string", logical) if logical is not None:
            _mark(marks, rows, ~read.str.contains(_UUID))  # other spellings exist
            return read
        case Enum(_, symbols):
            _mark(marks, rows, ~read.is_in(list(symbols)))
            return read
        case Array(items):
            return _lists(items, read, marks, rows)
        case Record(_, fields):
            members = [
                column(f.node, read.struct.field(f.name), _Below(marks, read), rows, f.default).alias(f.name)
                for f in fields
            ]
            return _where(read.is_not_null(), pl.DataFrame(members).to_struct())
    return read


def _moments(node: Primitive, logical: Logical, read: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
    target = data_type(node)
    if target == Date:
        days = _parsed(read, marks, rows, ("%Y-%m-%d",), pl.Date) if read.dtype == pl.String else read
        if days.dtype != pl.Date:
            _mark(marks, rows, ~days.is_between(*DAYS))
            days = days.cast(pl.Int32, strict=False).cast(pl.Date)
        return days
    if target == Timestamp:
        factor, divisor = _PER_MICRO[logical.name.rpartition("-")[2]]
        if read.dtype == pl.String:
            instants = _parsed(read, marks, rows, _ISO, pl.Datetime("us")).cast(pl.Int64)
            return (instants // factor * factor).cast(Timestamp.polars)
        low, high = (max(-(2**63), min(2**63 - 1, bound * divisor // factor)) for bound in MICROS)
        _mark(marks, rows, ~read.is_between(low, high))
        return (read // divisor * factor).cast(Timestamp.polars)
    _mark(marks, rows, read.is_not_null())  # times of day: rare enough for the exact way
    return pl.Series([None], dtype=target.polars).new_from_index(0, len(read))


def _parsed(read: pl.Series, marks: Marks, rows: Rows, formats: tuple[str, ...], dtype: Any) -> pl.Series:
    _mark(marks, rows, ~read.str.contains(_SURELY))
    found: pl.Series | None = None
    for fmt in formats:
        zoned = pl.Datetime("us", "UTC") if fmt.endswith("%:z") else dtype
        now = read.str.strptime(zoned, fmt, strict=False)
        now = now.dt.replace_time_zone(None) if zoned is not dtype else now
        found = now if found is None else found.zip_with(found.is_not_null(), now)
        if found.null_count() == read.null_count():
            break
    assert found is not None
    _mark(
        marks,
        rows,
        (found.is_null() & read.is_not_null()) | (found.cast(pl.Datetime("us")).cast(pl.Int64) < MICROS[0]),
    )
    return found


def _lists(items: Node, read: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
    lengths = read.list.len().fill_null(0).to_numpy().astype(np.int64)
    owners = np.repeat(np.arange(len(read)) if rows is None else rows, lengths)
    values = column(items, read.explode(empty_as_null=False, keep_nulls=False), marks, owners)
    return _where(read.is_not_null(), lists(lengths, values.cast(data_type(items).polars)))


class _Below(Marks):
    """Marks of a struct's members: those of a struct that is null itself are none."""

    def __init__(self, above: Marks, struct: pl.Series) -> None:
        super().__init__(above.n)
        self._above = above
        self._there = struct.is_not_null().to_numpy()

    def mark(self, bad: Any, rows: Rows, reason: str, detail: str) -> None:
        self._above.mark(bad & self._there, rows, reason, detail)


def _mark(marks: Marks, rows: Rows, bad: pl.Series) -> None:
    marks.mark(bad.fill_null(False).to_numpy(), rows, "", "")


def _where(there: pl.Series, values: pl.Series) -> pl.Series:
    if there.all():
        return values
    return pl.select(pl.when(pl.lit(there)).then(pl.lit(values))).to_series()
