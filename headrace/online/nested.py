"""Lists, maps and structs as JSON, a column at a time, and back.

Compact JSON (no spaces). Numbers are JSON numbers, a Decimal with exactly its scale; NaN and the infinities,
which JSON has no numbers for, are the strings "NaN", "Infinity", "-Infinity". Timestamps, dates and bytes are
strings in the form they have by themselves. A map is an object whose names are the text of its keys, in the
map's order; a null member is ``null``, never left out. A reader that wants Decimals exact parses numbers as
decimals.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal as PyDecimal

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.arrow import integers
from headrace.types import FLOATS, INTEGERS, Bool, DataType, Decimal, List, Map, Struct

Text = Callable[[pl.Series, DataType], pl.Series]
Value = Callable[[str, DataType], object]


def json_text(column: pl.Series, type: DataType, text: Text) -> pl.Series:
    """JSON of each value of a column (its dtype is ``type.polars``); null stays null.

    `text` gives the text of a column of a type that is not nested.
    """
    if isinstance(type, List):
        return _lists(column, "[", _member(_flat(column), type.item, text), "]")
    if isinstance(type, Map):
        entries = _flat(column)
        names = _quoted(text(entries.struct.field("key"), type.key))
        values = _member(entries.struct.field("value"), type.value, text)
        return _lists(column, "{", _join(names, ":", values), "}")
    if isinstance(type, Struct):
        parts: list[pl.Series | str] = ["{"]
        for i, (name, member) in enumerate(type.fields):
            parts += [("," if i else "") + json.dumps(name, ensure_ascii=False) + ":"]
            parts += [_member(column.struct.field(name), member, text)]
        whole = _join(*parts, "}", height=len(column))
        return whole.set(column.is_null(), None) if column.null_count() else whole
    if type == Bool or type in INTEGERS or isinstance(type, Decimal):
        return text(column, type)
    if type in FLOATS:
        finite = column.is_finite()
        plain = text(column, type)
        if finite.all():
            return plain
        return plain.zip_with(finite.fill_null(value=True), _quoted(plain))
    return _quoted(text(column, type))


def from_json(text: str, type: DataType, value: Value) -> object:
    """The Python value of one JSON text: list, dict (of a map by its keys, of a struct by its names), or
    leaf.

    `value` gives the Python value of the text of a type that is not nested. Raises ValueError if the JSON is
    not of the type.
    """
    return _python(json.loads(text, parse_float=PyDecimal), type, value)


def _python(node: object, type: DataType, value: Value) -> object:
    if node is None:
        return None
    if isinstance(type, List) and isinstance(node, list):
        return [_python(x, type.item, value) for x in node]
    if isinstance(type, Map) and isinstance(node, dict):
        return {value(k, type.key): _python(v, type.value, value) for k, v in node.items()}
    if isinstance(type, Struct) and isinstance(node, dict):
        return {name: _python(node.get(name), member, value) for name, member in type.fields}
    if isinstance(type, List | Map | Struct) or isinstance(node, list | dict):
        raise ValueError(f"JSON of a {type} was expected, not {node!r}")
    if isinstance(node, bool):
        return value("true" if node else "false", type)
    return value(node if isinstance(node, str) else str(node), type)


def _flat(column: pl.Series) -> pl.Series:
    """The items of all lists, one after the other: nothing for an empty list or a null one."""
    return column.explode(empty_as_null=False, keep_nulls=False)


def _member(column: pl.Series, type: DataType, text: Text) -> pl.Series:
    return json_text(column, type, text).fill_null("null")


def _lists(column: pl.Series, opening: str, items: pl.Series, closing: str) -> pl.Series:
    """The texts of the items gathered again into one text for each list of `column`."""
    lengths = column.list.len()
    offsets = np.zeros(len(column) + 1, "i8")
    np.cumsum(lengths.fill_null(0).to_numpy(), out=offsets[1:])
    arrow = items.to_arrow(compat_level=pl.CompatLevel.oldest())
    lists = pl.Series(pa.LargeListArray.from_arrays(integers(offsets), arrow), dtype=pl.List(pl.String))
    whole = _join(opening, lists.list.join(","), closing, height=len(column))
    return whole.set(column.is_null(), None) if column.null_count() else whole


def _quoted(text: pl.Series) -> pl.Series:
    if not text.str.contains(r'["\\\x00-\x1f]').any():
        return _join('"', text, '"')
    encoded = text.to_frame("v").select(pl.struct("v").struct.json_encode()).to_series()
    return encoded.str.strip_prefix('{"v":').str.strip_suffix("}").zip_with(text.is_not_null(), text)


def _join(*parts: pl.Series | str, height: int | None = None) -> pl.Series:
    """Row by row, one after the other; null if a part is null."""
    columns = [p for p in parts if isinstance(p, pl.Series)]
    if not columns:
        return pl.Series(["".join(map(str, parts))] * (height or 0), dtype=pl.String)
    named = {id(p): f"{i}" for i, p in enumerate(columns)}
    frame = pl.DataFrame([c.alias(named[id(c)]) for c in columns])
    pieces = [pl.col(named[id(p)]) if isinstance(p, pl.Series) else pl.lit(p) for p in parts]
    return frame.select(pl.concat_str(pieces).alias("")).to_series()
