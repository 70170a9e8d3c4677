"""Records given as Python dicts, judged against a source's columns as decoding would judge them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal as PyDecimal
from decimal import InvalidOperation, localcontext
from typing import Any

import polars as pl

from headrace.durations import parse_instant
from headrace.errors import DecodeError
from headrace.types import (
    FLOATS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Int32,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)

_BITS = {Int32: 31, Int64: 63}
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Records:
    """A frame of the good records with their place among those given (``_row``), and why the others are not."""

    frame: pl.DataFrame
    refused: list[tuple[int, str]]


def to_frame(
    records: Sequence[Mapping[str, Any]], columns: Mapping[str, DataType], nullable: frozenset[str]
) -> Records:
    """Records as a frame of `columns`; fields that are no column are left out, as a reader's schema does."""
    rows: list[int] = []
    values: dict[str, list[object]] = {name: [] for name in columns}
    refused = []
    for i, record in enumerate(records):
        try:
            row = [_field(record, name, type, name in nullable) for name, type in columns.items()]
        except DecodeError as error:
            refused.append((i, error.detail))
            continue
        rows.append(i)
        for column, value in zip(values.values(), row, strict=True):
            column.append(value)
    series = [pl.Series(name, values[name], dtype=_plain(t)).cast(t.polars) for name, t in columns.items()]
    return Records(pl.DataFrame([pl.Series("_row", rows, dtype=pl.Int64), *series]), refused)


def _field(record: Mapping[str, Any], name: str, type: DataType, nullable: bool) -> object:
    value = record.get(name)
    if value is None:
        if nullable:
            return None
        raise DecodeError(f"field `{name}`: expected {type}, got {'null' if name in record else 'nothing'}")
    try:
        return to_value(value, type)
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        raise DecodeError(f"field `{name}`: expected {type}, got {value!r}") from None


def to_value(value: Any, type: DataType) -> object:
    """The value as Polars takes it for `_plain` of the type; TypeError or ValueError if it is none."""
    if value is None:
        return None
    if isinstance(type, List) and isinstance(value, list | tuple):
        return [to_value(v, type.item) for v in value]
    if isinstance(type, Map) and isinstance(value, Mapping):
        return [{"key": to_value(k, type.key), "value": to_value(v, type.value)} for k, v in value.items()]
    if isinstance(type, Struct) and isinstance(value, Mapping):
        return {name: to_value(value.get(name), t) for name, t in type.fields}
    if isinstance(value, bool) or type == Bool:
        if isinstance(value, bool) and type == Bool:
            return value
    elif type in _BITS:
        whole = operator.index(value)
        if -(1 << _BITS[type]) <= whole < 1 << _BITS[type]:
            return whole
    elif type in FLOATS:
        if not isinstance(value, str | bytes):
            return float(value)
    elif (type == String and isinstance(value, str)) or (type == Bytes and isinstance(value, bytes)):
        return value
    elif type == Timestamp:
        return parse_instant(value) if isinstance(value, datetime | str) else operator.index(value)
    elif type == Date:
        if isinstance(value, str):
            value = date.fromisoformat(value)
        return (value - _EPOCH).days if isinstance(value, date) else operator.index(value)
    elif isinstance(type, Decimal):
        return _decimal(value, type)
    raise TypeError


def _decimal(value: Any, type: Decimal) -> PyDecimal:
    exact = PyDecimal(repr(value) if isinstance(value, float) else value)
    with localcontext(prec=80):
        fit = exact.quantize(PyDecimal(1).scaleb(-type.scale))
        if fit != exact or abs(fit) >= PyDecimal(10) ** (type.precision - type.scale):
            raise ValueError
    return fit


def _plain(type: DataType) -> pl.DataType:
    """The Polars type that takes what `to_value` gives: times are integers."""
    if isinstance(type, List):
        return pl.List(_plain(type.item))
    if isinstance(type, Map):
        return pl.List(pl.Struct({"key": _plain(type.key), "value": _plain(type.value)}))
    if isinstance(type, Struct):
        return pl.Struct({name: _plain(t) for name, t in type.fields})
    if type == Timestamp:
        return pl.Int64()
    return pl.Int32() if type == Date else type.polars
