"""Structs: named_struct, and the struct that ``(a, b)`` and ``struct(a, b)`` are written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.coercion import Kind
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder


@operation(
    "named_struct",
    "struct",
    group="collection",
    params=(Kind.ANY,),
    arity=(2, None),
    raw=True,
    result="struct",
)
def named_struct(binder: Binder, *values: Value) -> Value:
    if len(values) % 2:
        raise binder.error("`named_struct` takes names and values in turn", "wrong_arity")
    names = []
    for v in values[::2]:
        if v.type != String or v.known is None:
            raise binder.mismatch("the names of `named_struct` must be constant strings")
        names.append(str(v.known))
    members = values[1::2]
    t = Struct(tuple((n, m.type) for n, m in zip(names, members, strict=True)))
    made = pl.struct([m.expr.alias(n) for n, m in zip(names, members, strict=True)])
    return combined(t, made, members)
