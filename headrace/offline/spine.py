"""Spines: the rows that features are asked for, as callers have them, and their keys and instants as we need them.

The caller's columns are never changed. Owns what a spine may be and says what is wrong with one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.partials import Ints
from headrace.definitions import Entity
from headrace.durations import parse_instant
from headrace.errors import UsageError, did_you_mean
from headrace.types import INTEGERS, Date, Decimal, String, Timestamp

log = logging.getLogger("headrace.offline")

USUAL = ("timestamp", "event_timestamp")
"""What a spine's column of instants is called where nobody says."""


def spine_frame(spine: Any) -> pl.DataFrame:
    """A spine as a Polars frame: a path to Parquet or CSV, a Polars, pandas or pyarrow frame, or dicts."""
    if isinstance(spine, str | Path):
        return _read(str(spine))
    if isinstance(spine, pl.LazyFrame):
        return spine.collect()
    if isinstance(spine, pl.DataFrame):
        return spine
    if isinstance(spine, pa.Table | pa.RecordBatch):
        return pl.DataFrame(pl.from_arrow(spine))
    if hasattr(spine, "iloc"):
        return pl.from_pandas(spine)
    if isinstance(spine, Iterable):
        rows = list(spine)
        if all(isinstance(r, Mapping) for r in rows):
            return pl.DataFrame(rows, infer_schema_length=None)
    raise UsageError(
        f"a spine is a Parquet or CSV file, a Polars, pandas or pyarrow frame, or dicts, not {type(spine).__name__}"
    )


def _read(path: str) -> pl.DataFrame:
    try:
        if path.lower().endswith((".csv", ".csv.gz", ".tsv")):
            separator = "\t" if path.lower().endswith(".tsv") else ","
            return pl.read_csv(path, try_parse_dates=True, separator=separator, infer_schema_length=None)
        return pl.read_parquet(path)
    except FileNotFoundError:
        raise UsageError(f"there is no spine at {path}") from None
    except pl.exceptions.PolarsError as exc:
        raise UsageError(
            f"the spine {path} cannot be read: {exc}. Give Parquet (.parquet) or CSV (.csv)"
        ) from None


def timestamp_column(frame: pl.DataFrame, asked: str | None, event_times: Iterable[str | None]) -> str:
    """The column of each row's instant: as `asked`, or by its usual name, or as the sources call event time."""
    if asked is not None:
        if asked in frame.columns:
            return asked
        hint = did_you_mean(asked, frame.columns) or f"It has {', '.join(frame.columns)}."
        raise UsageError(f"the spine has no column `{asked}`. {hint}")
    for name in (*USUAL, *event_times):
        if name is not None and name in frame.columns:
            return name
    times = [n for n, t in frame.schema.items() if isinstance(t, pl.Datetime)]
    if len(times) == 1:
        return times[0]
    raise UsageError(
        "the spine has no column `timestamp`: expected each row's instant, got the columns "
        f"{', '.join(frame.columns) or 'none'}. Say which one it is with timestamp="
    )


def instants(frame: pl.DataFrame, name: str) -> tuple[Ints, list[str]]:
    """Each row's T in microseconds, and what has to be said about it.

    Datetimes of any unit (without a zone: UTC), dates (midnight), ISO texts, whole microseconds.
    """
    column, notes = frame[name], []
    if column.null_count():
        row = int(column.is_null().arg_max() or 0)
        raise UsageError(f"the spine's `{name}` is null in {column.null_count()} rows, first in row {row}")
    if isinstance(column.dtype, pl.Datetime):
        if column.dtype.time_zone is None:
            notes.append(f"the spine's `{name}` has no time zone: taken as UTC")
        per = {"ns": 1000, "us": 1, "ms": 1}[column.dtype.time_unit]
        plain = column.to_physical().to_numpy() // per
        at = np.asarray(plain * 1000 if column.dtype.time_unit == "ms" else plain, "i8")
    elif column.dtype == pl.Date:
        at = np.asarray(column.dt.timestamp("us").to_numpy(), "i8")
    elif column.dtype == pl.String:
        at, naive = _texts(column, name)
        if naive:
            notes.append(f"the spine's `{name}` has no time zone: taken as UTC")
    elif column.dtype.is_integer():
        at = np.asarray(column.cast(pl.Int64).to_numpy(), "i8")
    else:
        raise UsageError(
            f"the spine's `{name}` is {column.dtype}: expected instants (datetimes, dates, ISO texts or whole "
            "microseconds)"
        )
    for note in notes:
        log.warning("%s", note)
    return at, notes


def _texts(column: pl.Series, name: str) -> tuple[Ints, bool]:
    naive = False
    out = np.empty(len(column), "i8")
    for i, text in enumerate(column.to_list()):
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UsageError(
                f"the spine's `{name}` in row {i} is no instant: got {text!r}, expected such as '2026-01-01T00:00:00Z'"
            ) from None
        naive |= at.tzinfo is None
        out[i] = parse_instant(at)
    return out, naive


def entity_keys(frame: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    """The entity's keys of each row, typed; null where the spine has null. UsageError for other types."""
    missing = [k for k in entity.keys if k not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], frame.columns) or f"It has {', '.join(frame.columns) or 'no column'}."
        raise UsageError(
            f"the spine has no column `{missing[0]}`, a key of the entity {entity.name} "
            f"({', '.join(f'{k} {t}' for k, t in entity.keys.items())}). {hint}"
        )
    return pl.DataFrame([_typed(frame[k], t, entity.name) for k, t in entity.keys.items()])


def _typed(column: pl.Series, type: Any, entity: str) -> pl.Series:
    have = column.dtype
    whole = type in INTEGERS or isinstance(type, Decimal)
    if have == type.polars or have == pl.Null:
        return column.cast(type.polars)
    fits = (
        (whole and (have.is_integer() or (have.is_float() and _all_whole(column)) or have.is_decimal()))
        or (type == String and have in (pl.Categorical, pl.Enum))
        or (type == Timestamp and isinstance(have, pl.Datetime))
        or (type == Date and have == pl.Date)
    )
    if not fits:
        raise UsageError(
            f"the spine's `{column.name}` is {have}, but a key of the entity {entity} is {type}: cast it"
        )
    if isinstance(have, pl.Datetime) and have.time_zone is None:
        column = column.dt.replace_time_zone("UTC")
    typed = column.cast(type.polars, strict=False)
    lost = typed.is_null() & column.is_not_null()
    if lost.any():
        row = int(lost.arg_max() or 0)
        raise UsageError(f"the spine's `{column.name}` in row {row} is {column[row]}, which is no {type}")
    return typed


def _all_whole(column: pl.Series) -> bool:
    """Whether floats are whole numbers, as pandas makes of integers beside nulls."""
    known = column.drop_nulls()
    return bool((known.is_finite() & (known.floor() == known)).all())
