"""Running a view's transform over whole frames; a row on which it fails is a dead letter, not the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from headrace.definitions.transforms import Transform
from headrace.plan.rows import Dead
from headrace.types import DataType

_META = "_row"


def transformed(
    rows: pl.DataFrame, transform: Transform, before: Mapping[str, DataType], schema: Mapping[str, DataType]
) -> tuple[pl.DataFrame, list[Dead]]:
    """The rows with the columns of `schema` as the transform leaves them, without those it dropped.

    The function sees the columns of `before` and ``_row``, which tells rows apart; columns that begin with an
    underscore are put back beside its result.
    """
    if rows.is_empty():
        missing = [pl.lit(None, dtype=t.polars).alias(n) for n, t in schema.items() if n not in rows.columns]
        return rows.with_columns(missing), []
    dead: list[Dead] = []
    kept = _attempt(rows.select(_META, *before), transform, schema, dead)
    meta = rows.select([c for c in rows.columns if c.startswith("_")])
    return meta.join(kept, on=_META, how="inner", maintain_order="left"), dead


def _attempt(
    rows: pl.DataFrame, transform: Transform, schema: Mapping[str, DataType], dead: list[Dead]
) -> pl.DataFrame:
    try:
        return _call(rows, transform, schema)
    except Exception as error:
        if len(rows) == 1:
            dead.append((rows[_META][0], "transform", f"{transform.name}: {type(error).__name__}: {error}"))
            return rows.clear().select(
                _META, *(pl.lit(None, dtype=t.polars).alias(n) for n, t in schema.items())
            )
        half = len(rows) // 2
        return pl.concat(
            [
                _attempt(rows[:half], transform, schema, dead),
                _attempt(rows[half:], transform, schema, dead),
            ]
        )


def _call(rows: pl.DataFrame, transform: Transform, schema: Mapping[str, DataType]) -> pl.DataFrame:
    given: Any = rows if transform.frame == "polars" else rows.to_pandas()
    result = transform.fn(given)
    if transform.frame == "pandas":
        result = _from_pandas(rows, result)
    if not isinstance(result, pl.DataFrame):
        raise TypeError(f"expected a {transform.frame} frame back, got {type(result).__name__}")
    if _META not in result.columns:
        if len(result) != len(rows):
            raise ValueError(f"the rows cannot be told apart: keep the column `{_META}` when dropping rows")
        result = result.with_columns(rows[_META])
    missing = [name for name in schema if name not in result.columns]
    if missing:
        raise ValueError(f"expected the columns {', '.join(missing)} in the result, got {result.columns}")
    return result.select(
        pl.col(_META).cast(rows[_META].dtype), *(pl.col(n).cast(t.polars) for n, t in schema.items())
    )


def _from_pandas(rows: pl.DataFrame, result: Any) -> pl.DataFrame:
    """Pandas' result, with columns that it left alone exactly as they were (pandas has no null integers)."""
    frame = pl.from_pandas(result)
    if _META not in frame.columns:
        return frame
    was = rows.join(frame.select(pl.col(_META).cast(rows[_META].dtype)), on=_META, maintain_order="right")
    if len(was) != len(frame):
        return frame
    there = pl.from_pandas(was.to_pandas())
    same = [c for c in was.columns if c in frame.columns and frame[c].equals(there[c], null_equal=True)]
    return frame.with_columns(was.select(same))
