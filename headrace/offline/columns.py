"""A source's columns as its events have them, whatever older files say: types promoted, instants in UTC, defaults.

Events from before a field was added have its default, as Avro has it: a column that files lack reads as the default,
and so does a null where the schema has no null. Refuses to read files.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import polars as pl

from headrace.avro.defaults import default_column
from headrace.avro.nodes import MISSING
from headrace.definitions import BatchSource, StreamSource


def as_declared(source: StreamSource | BatchSource, name: str, have: pl.Schema) -> pl.Expr:
    """A column of the source, of files (or a frame) that have these columns."""
    type, default = source.columns[name], defaults_of(source).get(name)
    if name not in have:
        value = pl.lit(None, dtype=type.polars) if default is None else default
        return value.alias(name)
    column = utc(name, have[name]).cast(type.polars)
    return column if default is None or name in source.nullable else column.fill_null(default)


def is_as_stored(source: StreamSource | BatchSource, name: str, have: pl.Schema) -> bool:
    """Whether a condition on the column holds of what is stored: it has the declared type, and no default stands in."""
    stands_in = name in defaults_of(source) and name not in source.nullable
    return name in have and have[name] == source.columns[name].polars and not stands_in


def utc(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column; instants in UTC, those without a zone taken as UTC."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        zone = dtype.time_zone
        return column.dt.convert_time_zone("UTC") if zone else column.dt.replace_time_zone("UTC")
    return column


@cache
def defaults_of(source: StreamSource | BatchSource) -> Mapping[str, pl.Expr]:
    """The defaults that the source's Avro schema gives its fields, by name; none for other schemas."""
    schema = source.avro_schema if isinstance(source, StreamSource) else None
    fields = schema.root.fields if schema is not None else ()
    given = {f.name: default_column(f) for f in fields if f.default is not MISSING}
    return {name: pl.lit(value).first().cast(value.dtype) for name, value in given.items()}
