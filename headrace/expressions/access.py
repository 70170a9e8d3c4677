"""Members of structs, arrays and maps: ``geo.lat``, ``tags[0]``, ``attrs['plan']`` (Spark's ExtractValue)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from headrace.errors import did_you_mean
from headrace.expressions.coercion import implicit
from headrace.expressions.ragged import map_lookup
from headrace.expressions.value import Value, combined
from headrace.types import INTEGERS, DataType, List, Map, Null, String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder


def extract(binder: Binder, base: Value, key: Value) -> Value:
    """``base[key]``: null where there is no such element."""
    t = base.type
    if isinstance(t, Struct):
        name, member = _member(binder, t, key)
        return combined(member, base.expr.struct.field(name), (base,))
    if isinstance(t, List) and isinstance(t.item, Struct) and key.constant and key.type == String:
        name, member = _member(binder, t.item, key)
        return combined(List(member), base.expr.list.eval(pl.element().struct.field(name)), (base,))
    if isinstance(t, List):
        if key.type not in (*INTEGERS, Null):
            raise binder.mismatch(f"the index of an array must be an integer, got {key.type.spark}")
        return combined(t.item, element(base.expr, key.expr.cast(pl.Int64)), (base, key))
    if isinstance(t, Map):
        if implicit(key.type, t.key) != t.key:
            raise binder.mismatch(f"the key of this map must be {t.key.spark}, got {key.type.spark}")
        return combined(t.value, map_lookup(base, binder.cast(key, t.key)), (base, key))
    raise binder.mismatch(f"a value of type {t.spark} has no members")


def element(array: pl.Expr, index: pl.Expr) -> pl.Expr:
    """The element at a 0-based index; null where it is outside."""
    inside = pl.when((index >= 0) & (index < array.list.len().cast(pl.Int64))).then(index)
    return array.list.get(inside, null_on_oob=True)


def _member(binder: Binder, t: Struct, key: Value) -> tuple[str, DataType]:
    if key.constant is None or key.type != String:
        raise binder.mismatch("the member of a struct must be named")
    wanted = str(key.known)
    for name, member in t.fields:
        if name.lower() == wanted.lower():
            return name, member
    names = [name for name, _ in t.fields]
    raise binder.error(
        f"this struct has no member `{wanted}`",
        "unknown_column",
        did_you_mean(wanted, names) or f"Its members are: {', '.join(names)}.",
    )
