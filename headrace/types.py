"""The column types of Headrace, and how each is carried by Polars and Arrow.

Owns the one list of types that schemas, expressions, state, Redis and history share. Refuses to know how
any of them is written as text or bytes: that belongs to `avro`, `online` and `history`.

`Int8`, `Int16` and `Null` exist only inside expressions (Spark's tinyint, smallint and void).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa


@dataclass(frozen=True)
class DataType:
    """A column type. Compare with ``==``; print with ``str``; `spark` is Spark's simpleString of it."""

    def __str__(self) -> str:
        raise NotImplementedError

    @property
    def spark(self) -> str:
        raise NotImplementedError

    @property
    def polars(self) -> pl.DataType:
        """The Polars type of a column. A map is a List of Struct(key, value)."""
        raise NotImplementedError

    @property
    def arrow(self) -> pa.DataType:
        raise NotImplementedError


@dataclass(frozen=True)
class Primitive(DataType):
    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    @property
    def spark(self) -> str:
        return _PRIMITIVES[self.name][0]

    @property
    def polars(self) -> pl.DataType:
        return _PRIMITIVES[self.name][1]

    @property
    def arrow(self) -> pa.DataType:
        return _PRIMITIVES[self.name][2]


@dataclass(frozen=True)
class Decimal(DataType):
    """A decimal of `precision` digits (1 to 38), `scale` of them behind the point (0 to `precision`)."""

    precision: int
    scale: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.precision <= 38 and 0 <= self.scale <= self.precision):
            raise ValueError(
                f"Decimal({self.precision},{self.scale}): precision is 1 to 38, scale 0 to precision"
            )

    def __str__(self) -> str:
        return f"Decimal({self.precision},{self.scale})"

    @property
    def spark(self) -> str:
        return f"decimal({self.precision},{self.scale})"

    @property
    def polars(self) -> pl.DataType:
        return pl.Decimal(self.precision, self.scale)

    @property
    def arrow(self) -> pa.DataType:
        return pa.decimal128(self.precision, self.scale)


@dataclass(frozen=True)
class List(DataType):
    """A list of `item` (nullable)."""

    item: DataType

    def __str__(self) -> str:
        return f"List({self.item})"

    @property
    def spark(self) -> str:
        return f"array<{self.item.spark}>"

    @property
    def polars(self) -> pl.DataType:
        return pl.List(self.item.polars)

    @property
    def arrow(self) -> pa.DataType:
        return pa.list_(self.item.arrow)


@dataclass(frozen=True)
class Map(DataType):
    """A map from `key` to `value` (nullable)."""

    key: DataType
    value: DataType

    def __str__(self) -> str:
        return f"Map({self.key},{self.value})"

    @property
    def spark(self) -> str:
        return f"map<{self.key.spark},{self.value.spark}>"

    @property
    def polars(self) -> pl.DataType:
        return pl.List(pl.Struct({"key": self.key.polars, "value": self.value.polars}))

    @property
    def arrow(self) -> pa.DataType:
        return pa.map_(self.key.arrow, self.value.arrow)


@dataclass(frozen=True)
class Struct(DataType):
    """Named, typed members in order. ``Struct({"lat": Float64})`` or ``Struct((("lat", Float64),))``."""

    fields: tuple[tuple[str, DataType], ...]

    def __init__(self, fields: Mapping[str, DataType] | tuple[tuple[str, DataType], ...]) -> None:
        items = fields.items() if isinstance(fields, Mapping) else fields
        object.__setattr__(self, "fields", tuple((str(k), v) for k, v in items))

    def __str__(self) -> str:
        return "Struct(" + ", ".join(f"{k}: {v}" for k, v in self.fields) + ")"

    @property
    def spark(self) -> str:
        return "struct<" + ",".join(f"{k}:{v.spark}" for k, v in self.fields) + ">"

    @property
    def polars(self) -> pl.DataType:
        return pl.Struct({k: v.polars for k, v in self.fields})

    @property
    def arrow(self) -> pa.DataType:
        return pa.struct([pa.field(k, v.arrow) for k, v in self.fields])


_PRIMITIVES: dict[str, tuple[str, pl.DataType, pa.DataType]] = {
    "Null": ("void", pl.Null(), pa.null()),
    "Bool": ("boolean", pl.Boolean(), pa.bool_()),
    "Int8": ("tinyint", pl.Int8(), pa.int8()),
    "Int16": ("smallint", pl.Int16(), pa.int16()),
    "Int32": ("int", pl.Int32(), pa.int32()),
    "Int64": ("bigint", pl.Int64(), pa.int64()),
    "Float32": ("float", pl.Float32(), pa.float32()),
    "Float64": ("double", pl.Float64(), pa.float64()),
    "String": ("string", pl.String(), pa.string()),
    "Bytes": ("binary", pl.Binary(), pa.binary()),
    "Timestamp": ("timestamp", pl.Datetime("us", "UTC"), pa.timestamp("us", "UTC")),
    "Date": ("date", pl.Date(), pa.date32()),
}

Null = Primitive("Null")
Bool = Primitive("Bool")
Int8 = Primitive("Int8")
Int16 = Primitive("Int16")
Int32 = Primitive("Int32")
Int64 = Primitive("Int64")
Float32 = Primitive("Float32")
Float64 = Primitive("Float64")
String = Primitive("String")
Bytes = Primitive("Bytes")
Timestamp = Primitive("Timestamp")  # microseconds since the Unix epoch, UTC
Date = Primitive("Date")

INTEGERS = (Int8, Int16, Int32, Int64)
FLOATS = (Float32, Float64)


def is_numeric(t: DataType) -> bool:
    """Integers, floats and decimals."""
    return t in INTEGERS or t in FLOATS or isinstance(t, Decimal)


Schema = Mapping[str, DataType]
"""Column name -> type, in column order. Every column may be null unless its owner says otherwise."""


def from_arrow(t: pa.DataType) -> DataType:
    """The Headrace type that carries an Arrow type. Raises TypeError for those without one."""
    for name, (_, _, arrow) in _PRIMITIVES.items():
        if arrow == t:
            return Primitive(name)
    p = pa.types
    if p.is_large_string(t) or p.is_string_view(t):
        return String
    if p.is_large_binary(t) or p.is_binary_view(t) or p.is_fixed_size_binary(t):
        return Bytes
    if p.is_timestamp(t):
        return Timestamp
    if p.is_date(t):
        return Date
    if p.is_decimal(t):
        return Decimal(t.precision, t.scale)
    if p.is_map(t):
        return Map(from_arrow(t.key_type), from_arrow(t.item_type))
    if p.is_list(t) or p.is_large_list(t) or p.is_list_view(t):
        return List(from_arrow(t.value_type))
    if p.is_struct(t):
        return Struct(tuple((t.field(i).name, from_arrow(t.field(i).type)) for i in range(t.num_fields)))
    if p.is_dictionary(t):
        return from_arrow(t.value_type)
    if p.is_unsigned_integer(t) and t.bit_width <= 16:
        return Int32
    if p.is_unsigned_integer(t):
        return Int64
    if p.is_float16(t):
        return Float32
    raise TypeError(f"no Headrace type carries Arrow's {t}")


def from_polars(t: pl.DataType) -> DataType:
    """The Headrace type that carries a Polars type (a list of key/value structs stays a List)."""
    return from_arrow(pl.Series([], dtype=t).to_arrow().type)
