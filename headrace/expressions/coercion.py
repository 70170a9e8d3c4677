"""Spark's implicit casts, non-ANSI (org.apache.spark.sql.catalyst.analysis.TypeCoercion, 3.5).

Owns which type two or more values meet in, and which types a parameter takes. Casts nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TypeAlias

from headrace.expressions import decimals
from headrace.expressions.intervals import Interval, is_day_time, is_year_month, span
from headrace.types import (
    FLOATS,
    INTEGERS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
    is_numeric,
)

NUMBERS: tuple[DataType, ...] = (*INTEGERS, *FLOATS)


class Kind(Enum):
    """What a parameter takes where it is not one type."""

    ANY = "any"
    NUMERIC = "a number"
    INTEGRAL = "an integer"
    DECIMAL = "a decimal"
    ARRAY = "an array"
    MAP = "a map"
    STRUCT = "a struct"
    DAY_TIME = "a day-time interval"
    YEAR_MONTH = "a year-month interval"
    INT = "an int"  # or smaller; never cast from a wider number
    LONG = "an int or bigint"  # never cast from text
    TEXT = "a string"  # never cast from anything else
    MOMENT = "a string, date or timestamp"

    def accepts(self, t: DataType) -> bool:
        return {
            Kind.ANY: True,
            Kind.NUMERIC: is_numeric(t),
            Kind.INTEGRAL: t in INTEGERS,
            Kind.DECIMAL: isinstance(t, Decimal),
            Kind.ARRAY: isinstance(t, List),
            Kind.MAP: isinstance(t, Map),
            Kind.STRUCT: isinstance(t, Struct),
            Kind.DAY_TIME: is_day_time(t),
            Kind.YEAR_MONTH: is_year_month(t),
            Kind.INT: t in (Int8, Int16, Int32),
            Kind.LONG: t in (Int32, Int64),
            Kind.TEXT: t == String,
            Kind.MOMENT: t in (String, Date, Timestamp),
        }[self]


Parameter: TypeAlias = DataType | Kind | tuple[DataType | Kind, ...]
_NULL_AS: dict[Kind, DataType] = {
    Kind.ANY: Null,
    Kind.NUMERIC: Float64,
    Kind.INTEGRAL: Int32,
    Kind.DECIMAL: decimals.SYSTEM_DEFAULT,
    Kind.ARRAY: List(Null),
    Kind.MAP: Map(Null, Null),
    Kind.INT: Int32,
    Kind.LONG: Int64,
    Kind.TEXT: String,
    Kind.MOMENT: String,
}


def describe(parameter: Parameter) -> str:
    """A parameter in words, for messages and documentation."""
    if isinstance(parameter, tuple):
        return " or ".join(describe(p) for p in parameter)
    return parameter.value if isinstance(parameter, Kind) else parameter.spark


def implicit(a: DataType, parameter: Parameter) -> DataType | None:
    """The type that a value of type `a` is cast to for `parameter`, or None if Spark refuses it."""
    if isinstance(parameter, tuple):
        if any(_accepts(p, a) for p in parameter):
            return a
        return next((t for p in parameter if (t := implicit(a, p)) is not None), None)
    if _accepts(parameter, a):
        return a
    if a == Null:
        return _NULL_AS.get(parameter) if isinstance(parameter, Kind) else parameter
    if isinstance(parameter, Kind):
        return _to_kind(a, parameter)
    if is_numeric(a) and is_numeric(parameter):
        return parameter
    if a == String and (is_numeric(parameter) or parameter in (Date, Timestamp, Bytes)):
        return parameter
    if {a, parameter} == {Date, Timestamp}:
        return parameter
    if parameter == String and not isinstance(a, (List, Map, Struct, Interval)):
        return parameter
    if isinstance(a, List) and isinstance(parameter, List):
        item = implicit(a.item, parameter.item)
        return None if item is None else List(item)
    return None


def _accepts(parameter: DataType | Kind, a: DataType) -> bool:
    return parameter.accepts(a) if isinstance(parameter, Kind) else parameter == a


def _to_kind(a: DataType, kind: Kind) -> DataType | None:
    if kind == Kind.DECIMAL and is_numeric(a):
        return decimals.of_type(a)
    if a == String and kind == Kind.NUMERIC:
        return Float64
    if a == String and kind == Kind.INT:
        return Int32
    if a == String and kind == Kind.DECIMAL:
        return decimals.SYSTEM_DEFAULT
    return None


def tightest(a: DataType, b: DataType) -> DataType | None:
    """The smaller type that holds both without loss (findTightestCommonType)."""
    if a == b or b == Null:
        return a
    if a == Null:
        return b
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Decimal) and y in INTEGERS:
            need = decimals.of_type(y)
            fits = x.precision - x.scale >= need.precision
            return x if fits else None
    if a in NUMBERS and b in NUMBERS:
        return NUMBERS[max(NUMBERS.index(a), NUMBERS.index(b))]
    if {a, b} == {Date, Timestamp}:
        return Timestamp
    if isinstance(a, Interval) and isinstance(b, Interval) and is_day_time(a) == is_day_time(b):
        return span(a, b)
    return _complex(a, b, promote_strings=None)


def wider(a: DataType, b: DataType, *, promote_strings: bool = True) -> DataType | None:
    """The type of ``coalesce(a, b)`` and its like (findWiderTypeForTwo, or WithoutStringPromotion)."""
    found = tightest(a, b)
    if found is not None:
        return found
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Decimal) and (isinstance(y, Decimal) or y in INTEGERS):
            return decimals.wider(x, decimals.of_type(y))
        if isinstance(x, Decimal) and y in FLOATS:
            return Float64
        if promote_strings and x == String and _is_plain(y):
            return String
    return _complex(a, b, promote_strings=promote_strings)


def _is_plain(t: DataType) -> bool:
    return t not in (Bytes, Bool) and not isinstance(t, (List, Map, Struct))


def _complex(a: DataType, b: DataType, *, promote_strings: bool | None) -> DataType | None:
    """Arrays, maps and structs, member by member; `promote_strings` None asks for the tightest."""

    def meet(x: DataType, y: DataType) -> DataType | None:
        return tightest(x, y) if promote_strings is None else wider(x, y, promote_strings=promote_strings)

    if isinstance(a, List) and isinstance(b, List):
        item = meet(a.item, b.item)
        return None if item is None else List(item)
    if isinstance(a, Map) and isinstance(b, Map):
        key, value = meet(a.key, b.key), meet(a.value, b.value)
        return None if key is None or value is None else Map(key, value)
    if isinstance(a, Struct) and isinstance(b, Struct) and len(a.fields) == len(b.fields):
        fields = []
        for (name, x), (other, y) in zip(a.fields, b.fields, strict=True):
            t = meet(x, y)
            if t is None or name.lower() != other.lower():
                return None
            fields.append((name, t))
        return Struct(tuple(fields))
    return None


def common(types: Iterable[DataType], *, promote_strings: bool = True) -> DataType | None:
    """The type that all of several values meet in; strings are looked at first (findWiderCommonType)."""
    ordered = sorted(types, key=lambda t: not _has_string(t)) if promote_strings else list(types)
    found: DataType | None = Null
    for t in ordered:
        found = None if found is None else wider(found, t, promote_strings=promote_strings)
    return found


def _has_string(t: DataType) -> bool:
    if isinstance(t, List):
        return _has_string(t.item)
    if isinstance(t, Map):
        return _has_string(t.key) or _has_string(t.value)
    if isinstance(t, Struct):
        return any(_has_string(x) for _, x in t.fields)
    return t == String


def compared(a: DataType, b: DataType) -> DataType | None:
    """The type that the sides of a comparison are cast to, or None if they cannot be compared."""
    if a == b:
        return a
    for x, y in ((a, b), (b, a)):
        if x == String and isinstance(y, Decimal):
            return Float64
        if x == String and not isinstance(y, (List, Map, Struct, Interval)) and y != Null:
            return y
    return wider(a, b, promote_strings=False)
