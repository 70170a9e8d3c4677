"""One expression over an Arrow table, for tests and notebooks."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from headrace.errors import DefinitionError
from headrace.expressions.expression import NO_FUNCTIONS, compile_expression
from headrace.functions import Function
from headrace.types import DataType, List, Map, Struct, from_arrow

POSITION = ("_topic", "_partition", "_offset")


def evaluate(text: str, table: pa.Table, *, functions: Mapping[str, Function] = NO_FUNCTIONS) -> pa.Array:
    """The value of `text` for each row of `table`, in the Arrow type of its Spark type.

    Timestamps of any unit are cut to microseconds and taken as UTC where they have no zone. Where the table has
    no `_topic`, `_partition` and `_offset` (which random functions read), rows count as offsets 0, 1, 2 of one
    partition. Raises DefinitionError (an ExpressionError) if the expression is refused, or if a column has a
    type that Headrace cannot carry.
    """
    schema: dict[str, DataType] = {}
    for column in table.schema:
        try:
            schema[column.name] = from_arrow(column.type)
        except TypeError as error:
            raise DefinitionError(f"column `{column.name}`: {error}") from None
    expression = compile_expression(text, schema, functions=functions)
    wanted = [name for name in schema if name in expression.columns or name in POSITION]
    columns = {name: _series(table[name], schema[name]) for name in wanted}
    position = {
        "_topic": pl.repeat("", table.num_rows, dtype=pl.String, eager=True),
        "_partition": pl.repeat(0, table.num_rows, dtype=pl.Int32, eager=True),
        "_offset": pl.int_range(table.num_rows, dtype=pl.Int64, eager=True),
    }
    frame = pl.DataFrame(position | columns)
    return to_arrow(expression.evaluate(frame), expression.type)


def _series(column: pa.ChunkedArray, t: DataType) -> pl.Series:
    if any(pa.types.is_list_view(c.type) or pa.types.is_large_list_view(c.type) for c in column.chunks[:1]):
        column = pa.chunked_array([pa.array(column.to_pylist(), t.arrow)])
    plain = column.cast(_carrier(t), safe=False)
    return pl.Series(pl.from_arrow(plain)).cast(t.polars)


def _carrier(t: DataType) -> pa.DataType:
    """The Arrow type that Polars reads as `t.polars`: maps are lists of pairs."""
    if isinstance(t, Map):
        pair = pa.struct([pa.field("key", _carrier(t.key)), pa.field("value", _carrier(t.value))])
        return pa.list_(pair)
    if isinstance(t, List):
        return pa.list_(_carrier(t.item))
    if isinstance(t, Struct):
        return pa.struct([pa.field(name, _carrier(m)) for name, m in t.fields])
    return t.arrow


def to_arrow(series: pl.Series, t: DataType) -> pa.Array:
    """`series` as one Arrow array of exactly `t.arrow`."""
    array = series.rechunk().to_arrow().cast(_carrier(t))
    return _with_maps(array, t)


def _with_maps(array: pa.Array, t: DataType) -> pa.Array:
    """An array of `_carrier(t)` as one of `t.arrow`."""
    if array.type == t.arrow:
        return array
    mask = array.is_null()
    if isinstance(t, Struct):
        members = [_with_maps(array.field(i), m) for i, (_, m) in enumerate(t.fields)]
        return pa.StructArray.from_arrays(members, fields=list(t.arrow), mask=mask)
    if isinstance(t, List):
        items = _with_maps(array.values, t.item)
        return pa.ListArray.from_arrays(array.offsets, items, type=t.arrow, mask=mask)
    assert isinstance(t, Map)
    pairs = array.values
    keys, values = _with_maps(pairs.field(0), t.key), _with_maps(pairs.field(1), t.value)
    return pa.MapArray.from_arrays(array.offsets, keys, values, type=t.arrow, mask=mask)
