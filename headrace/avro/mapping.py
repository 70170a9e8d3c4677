"""Which column type each Avro type is read as. The one list; changes no value.

| Avro | column |
| --- | --- |
| boolean, int, long, float, double | Bool, Int32, Int64, Float32, Float64 |
| string, enum, uuid | String |
| bytes, fixed, duration | Bytes |
| null | String, always null |
| date; time-millis; time-micros | Date; Int32; Int64 (milliseconds and microseconds after midnight) |
| timestamp-*, local-timestamp-* | Timestamp, years 1 to 9999 (a local one is taken as UTC; nanoseconds are floored) |
| decimal(p, s) | Decimal(p, s), p up to 38 |
| array, map, record | List, Map(String, ...), Struct |
| union of null and T | T, nullable |
| union of int and long; of float and double | Int64; Float64 |
| any other union | Struct(member0, member1, ...), one member for each branch but null, as Spark reads it |
"""

from __future__ import annotations

from headrace.avro.nodes import Array, Enum, Fixed, Logical, Map, Node, Primitive, Record, Union, is_null
from headrace.errors import SchemaError
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    String,
    Struct,
    Timestamp,
)
from headrace.types import Map as MapType

_KINDS: dict[str, DataType] = {
    "null": String,
    "boolean": Bool,
    "int": Int32,
    "long": Int64,
    "float": Float32,
    "double": Float64,
    "string": String,
    "bytes": Bytes,
}


def data_type(node: Node) -> DataType:
    """The column type of a node. SchemaError where no column can carry it."""
    match node:
        case Primitive(kind, logical):
            return _scalar(kind, logical)
        case Fixed(_, _, logical):
            return _scalar("bytes", logical)
        case Enum():
            return String
        case Array(items):
            return List(data_type(items))
        case Map(values):
            return MapType(String, data_type(values))
        case Record(name, fields):
            if not fields:
                raise SchemaError(f"the record `{name}` has no fields", expected="at least one field")
            return Struct(tuple((f.name, data_type(f.node)) for f in fields))
        case Union():
            branches = [b for _, b in node.others]
            if len(branches) < 2:
                return data_type(branches[0]) if branches else String
            merged = merged_type(node)
            return merged or Struct(tuple((f"member{i}", data_type(b)) for i, b in enumerate(branches)))
    raise AssertionError(node)


def _scalar(kind: str, logical: Logical | None) -> DataType:
    if logical is None or logical.name in ("time-millis", "time-micros", "duration"):
        return _KINDS[kind]
    if logical.name == "decimal":
        if logical.precision > 38:
            raise SchemaError(
                f"a decimal of {logical.precision} digits",
                expected="a precision of 1 to 38",
                got=str(logical.precision),
            )
        return Decimal(logical.precision, logical.scale)
    return {"date": Date, "uuid": String}.get(logical.name, Timestamp)


def merged_type(node: Union) -> DataType | None:
    """The number type that a union of int and long, or of float and double, is read as; else None."""
    branches = [b for _, b in node.others]
    kinds = sorted(b.kind if isinstance(b, Primitive) and b.logical is None else "" for b in branches)
    return {("int", "long"): Int64, ("double", "float"): Float64}.get(tuple(kinds))  # type: ignore[arg-type]


def nullable(node: Node) -> bool:
    """Whether a value may be null."""
    return is_null(node) or (isinstance(node, Union) and node.null is not None)
