"""The types' names as functions: ``int(x)`` is ``cast(x as int)``; and to_binary's kin."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from headrace.expressions.cast import can_cast
from headrace.expressions.coercion import Kind
from headrace.expressions.registry import operation
from headrace.expressions.value import Value
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    Timestamp,
)

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder


def _cast(t: DataType, binder: Binder, x: Value) -> Value:
    if not can_cast(x.type, t):
        raise binder.mismatch(f"a value of type {x.type.spark} cannot be cast to {t.spark}")
    return binder.cast(x, t)


_NAMES: dict[str, DataType] = {
    "boolean": Bool,
    "tinyint": Int8,
    "smallint": Int16,
    "int": Int32,
    "bigint": Int64,
    "float": Float32,
    "double": Float64,
    "decimal": Decimal(10, 0),
    "date": Date,
    "timestamp": Timestamp,
    "string": String,
    "binary": Bytes,
}
for _name, _type in _NAMES.items():
    operation(_name, group="cast", params=(Kind.ANY,), raw=True, result=_type.spark)(
        functools.partial(_cast, _type)
    )
