"""Made-up rows of a source's schema, always the same ones: to try a view's row level on before it runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as PyDecimal
from random import Random

import polars as pl

from headrace.definitions import BatchSource, StreamSource
from headrace.types import (
    FLOATS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
    is_numeric,
)

ROWS = 48

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def sample(source: StreamSource | BatchSource, rows: int = ROWS) -> pl.DataFrame:
    """A frame as decoding gives it: few different values, nulls where the schema allows them."""
    random = Random(1)
    nullable = source.nullable if isinstance(source, StreamSource) else frozenset(source.columns)
    columns: list[pl.Series] = []
    for name, type in source.columns.items():
        make = _maker(type, random)
        if name == source.timestamp and type == Int64:
            make = _milliseconds(random)
        empty = name in nullable and name != source.timestamp
        values = [None if empty and random.random() < 0.15 else make() for _ in range(rows)]
        columns.append(pl.Series(name, values, dtype=type.polars, strict=False))
    topic = source.topics[0] if isinstance(source, StreamSource) else source.name
    number = pl.Series("_row", range(rows), dtype=pl.UInt32)
    meta = [
        pl.Series("_topic", [topic] * rows),
        pl.Series("_partition", [0] * rows, dtype=pl.Int32),
        pl.Series("_offset", range(rows), dtype=pl.Int64),
        pl.Series("_timestamp", [int(_FIRST.timestamp()) * 1_000_000] * rows, dtype=pl.Int64),
        number,
    ]
    return pl.DataFrame([*columns, *meta])


def _milliseconds(random: Random) -> Callable[[], object]:
    return lambda: int(_FIRST.timestamp() + random.randrange(86_400)) * 1000


def _maker(type: DataType, random: Random) -> Callable[[], object]:
    """What makes one value of the type."""
    if type == Bool:
        return lambda: random.random() < 0.5
    if isinstance(type, Decimal):
        unit = PyDecimal(1).scaleb(-type.scale)
        most = min(10**type.precision - 1, 100_000)
        return lambda: random.randint(-most, most) * unit
    if type in FLOATS:
        return lambda: random.choice([0.0, -1.5, 2.25, 100.0, round(random.uniform(-1e4, 1e4), 2)])
    if is_numeric(type):
        return lambda: random.choice([0, 1, 2, random.randint(-100, 100)])
    if type == String:
        return lambda: random.choice(["", "a", "b", "settled", "DE", str(random.randint(0, 99))])
    if type == Bytes:
        return lambda: random.choice([b"", b"a", b"\x00\xff"])
    if type == Timestamp:
        return lambda: _FIRST + timedelta(seconds=random.randrange(86_400))
    if type == Date:
        return lambda: date(2026, 1, 1) + timedelta(days=random.randrange(30))
    if isinstance(type, List):
        item = _maker(type.item, random)
        return lambda: [item() for _ in range(random.randrange(3))]
    if isinstance(type, Map):
        key, value = _maker(type.key, random), _maker(type.value, random)
        return lambda: [{"key": key(), "value": value()} for _ in range(random.randrange(2))]
    if isinstance(type, Struct):
        fields = {name: _maker(t, random) for name, t in type.fields}
        return lambda: {name: make() for name, make in fields.items()}
    return lambda: None
