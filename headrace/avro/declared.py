"""Column types as an Avro record, for sources whose schema is a mapping of types. The inverse of `mapping`."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.avro.nodes import Array, Field, Logical, Map, Node, Primitive, Record, Union
from headrace.errors import SchemaError
from headrace.types import DataType, Decimal, List, String, Struct
from headrace.types import Map as MapType

_NODES: dict[str, Node] = {
    "Bool": Primitive("boolean"),
    "Int32": Primitive("int"),
    "Int64": Primitive("long"),
    "Float32": Primitive("float"),
    "Float64": Primitive("double"),
    "String": Primitive("string"),
    "Bytes": Primitive("bytes"),
    "Timestamp": Primitive("long", Logical("timestamp-micros")),
    "Date": Primitive("int", Logical("date")),
}


def record_of(columns: Mapping[str, DataType], name: str = "event") -> Record:
    """The record whose fields are these columns, each of them, and whatever is in them, nullable."""
    return Record(name, tuple(Field(column, _optional(t, column), None) for column, t in columns.items()))


def _optional(type_: DataType, path: str) -> Node:
    return Union((Primitive("null"), _node(type_, path)))


def _node(type_: DataType, path: str) -> Node:
    match type_:
        case Decimal(precision, scale):
            return Primitive("bytes", Logical("decimal", precision, scale))
        case List(item):
            return Array(_optional(item, path + "[]"))
        case MapType(key, value) if key == String:
            return Map(_optional(value, path + "{}"))
        case Struct(fields):
            members = tuple(Field(n, _optional(t, f"{path}.{n}"), None) for n, t in fields)
            return Record(path.replace(".", "_").replace("[]", "_item").replace("{}", "_value"), members)
    found = _NODES.get(str(type_))
    if found is None:
        raise SchemaError(f"a source has no columns of type {type_}", field=path, expected=", ".join(_NODES))
    return found
