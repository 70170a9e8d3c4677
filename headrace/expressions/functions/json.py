"""JSON inside strings: get_json_object, json_array_length, from_json, to_json. A value at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.errors import ExpressionError
from headrace.expressions.coercion import Kind
from headrace.expressions.columns import per_value
from headrace.expressions.json_text import (
    at_path,
    document_length,
    from_document,
    object_keys,
    path_steps,
    written,
)
from headrace.expressions.lexer import Token, tokens
from headrace.expressions.registry import operation
from headrace.expressions.typetext import TypeReader
from headrace.expressions.value import Value, combined
from headrace.types import DataType, Int32, List, Map, String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "json"


@operation("get_json_object", group=GROUP, params=(Kind.TEXT, Kind.TEXT), returns=String, by_value=True)
def get_json_object(x: Value, path: Value) -> pl.Expr:
    if path.constant is not None:
        steps = path_steps(str(path.known)) if path.known is not None else None
        if steps is None:
            return pl.lit(None, dtype=pl.String)
        return per_value(lambda text: at_path(text, steps), x.expr, returns=String)

    def run(text: str, p: str) -> str | None:
        found = path_steps(p)
        return None if found is None else at_path(text, found)

    return per_value(run, x.expr, path.expr, returns=String)


@operation("json_array_length", group=GROUP, params=(Kind.TEXT,), returns=Int32, by_value=True)
def json_array_length(x: Value) -> pl.Expr:
    return per_value(document_length, x.expr, returns=Int32)


@operation("json_object_keys", group=GROUP, params=(Kind.TEXT,), returns=List(String), by_value=True)
def json_object_keys(x: Value) -> pl.Expr:
    return per_value(object_keys, x.expr, returns=List(String))


def schema_of(binder: Binder, text: str) -> DataType:
    """A type, or the members of a struct, as from_json takes them."""

    def fail(message: str, token: Token) -> ExpressionError:
        return binder.mismatch(f"the schema `{text}` cannot be read: {message}")

    found = tokens(text)
    try:
        reader = TypeReader(found, 0, fail)
        t = reader.read()
        if reader.at == len(found):
            return t
    except ExpressionError:
        pass
    reader = TypeReader(found, 0, fail)
    fields = reader.fields()
    if reader.at < len(found) or not fields:
        raise fail("it does not end where it should", found[-1])
    return Struct(tuple(fields))


@operation(
    "from_json", group=GROUP, params=(String, String), raw=True, result="the schema's type", by_value=True
)
def from_json(binder: Binder, x: Value, schema: Value) -> Value:
    if schema.known is None or schema.type != String:
        raise binder.mismatch("the schema of `from_json` must be a constant string")
    t = schema_of(binder, str(schema.known))
    if not isinstance(t, (Struct, List, Map)):
        raise binder.mismatch(f"the schema of `from_json` must be a struct, an array or a map, got {t.spark}")
    x = binder.cast(x, String)
    return combined(t, per_value(lambda text: from_document(text, t), x.expr, returns=t), (x, schema))


@operation("to_json", group=GROUP, params=(Kind.STRUCT,), raw=True, result="string", by_value=True)
def to_json(binder: Binder, x: Value) -> Value:
    if not isinstance(x.type, (Struct, List, Map)):
        raise binder.mismatch(f"`to_json` takes a struct, an array or a map, got {x.type.spark}")
    t = x.type
    run: Any = lambda v: written(v, t)  # noqa: E731
    return combined(String, per_value(run, x.expr, returns=String), (x,))
