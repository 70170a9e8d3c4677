"""`BatchSource`: Parquet or Delta files with the columns of events; `RequestSource`: values of a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.declaring import Definition
from headrace.definitions import rules
from headrace.definitions.schema import Subject, read_columns
from headrace.errors import did_you_mean
from headrace.types import DataType, Date, Int64, Timestamp


@dataclass(frozen=True, init=False, eq=False, repr=False)
class BatchSource(Definition):
    """Parquet or Delta files, on local disk or S3, for batch views and backfill.

    `path` is a file, a folder, a glob or an ``s3://`` address; a local one is relative to the config folder.
    `schema` is typed names or an Avro schema; `timestamp` names the event time, as for a stream source.
    """

    path: str
    timestamp: str
    columns: Mapping[str, DataType]
    nullable: frozenset[str]

    def __init__(
        self,
        name: str,
        path: str,
        timestamp: str,
        schema: str | Path | Mapping[str, Any],
        *,
        description: str = "",
        owner: str = "",
        tags: Mapping[str, str] = {},
    ) -> None:
        m = self._mistakes
        self._set(name=rules.name(name, m, what="a source's name"), path=str(path), timestamp=timestamp)
        if not isinstance(path, str | Path) or not str(path).strip():
            m.add(
                "path says where the files are",
                field="path",
                expected="a path or an s3:// address",
                got=repr(path),
            )
        elif "://" not in str(path):
            self._set(path=str(self._base / path))
        if isinstance(schema, Subject):
            m.add("files have no registry subject", field="schema", expected="typed names or an Avro schema")
        found = None if isinstance(schema, Subject) else read_columns(schema, "json", self._base, m)
        self._set(columns=found.types if found else {}, nullable=found.nullable if found else frozenset())
        if found:
            t = found.types.get(str(timestamp))
            if t not in (Timestamp, Date, Int64):
                m.add(
                    "timestamp names no column of the schema"
                    if t is None
                    else f"`{timestamp}` cannot be an event time",
                    field="timestamp",
                    expected="a Timestamp, a Date, or an Int64 of milliseconds since 1970",
                    got=f"`{timestamp}`" if t is None else str(t),
                    hint=did_you_mean(str(timestamp), found.types) if t is None else None,
                )
        self._set(**rules.words(description, owner, tags, m))


@dataclass(frozen=True, init=False, eq=False, repr=False)
class RequestSource(Definition):
    """Values that a query brings with it: typed names, such as ``RequestSource({"amount": hr.Float64})``."""

    columns: Mapping[str, DataType]

    def __init__(self, columns: Mapping[str, DataType], *, name: str = "request") -> None:
        m = self._mistakes
        example = "names with types, such as RequestSource({'amount': hr.Float64})"
        self._set(name=rules.name(name, m), description="", owner="", tags={})
        self._set(columns=rules.typed_names(columns, m, field="columns", example=example))
        if isinstance(columns, Mapping) and not columns:
            m.add("a request without columns", field="columns", expected=example, got="{}")
