"""What a training set was made of, so that it can be made again: a frame that carries it, into Parquet too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

import orjson
import polars as pl

from headrace import __version__
from headrace.definitions import FeatureView

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.offline.sources import Events
    from headrace.offline.wanted import Column
    from headrace.project import Project

KEY = "headrace"
"""The key of the metadata in a Parquet file, an Arrow schema and pandas' attrs: one JSON document."""


class TrainingSet(pl.DataFrame):
    """A Polars frame with `metadata`; it goes along into Arrow, pandas and Parquet, not into frames made of it."""

    _metadata: dict[str, Any]

    @classmethod
    def of(cls, frame: pl.DataFrame, metadata: Mapping[str, Any]) -> Self:
        """The frame with its metadata."""
        made = cls(frame)
        made._metadata = dict(metadata)
        return made

    @property
    def metadata(self) -> dict[str, Any]:
        """What it was made of: fingerprints of views, versions of tables, versions of code, options."""
        found: dict[str, Any] = self.__dict__.get("_metadata", {})
        return found

    def to_arrow(self, **options: Any) -> pa.Table:
        """As Polars does, with the metadata in the schema's."""
        table: pa.Table = super().to_arrow(**options)
        return table.replace_schema_metadata(
            {**(table.schema.metadata or {}), KEY: orjson.dumps(self.metadata)}
        )

    def to_pandas(self, **options: Any) -> Any:
        """As Polars does, with the metadata in `attrs`."""
        frame = pl.DataFrame(self).to_pandas(**options)
        frame.attrs[KEY] = self.metadata
        return frame

    def write_parquet(self, file: Any, **options: Any) -> None:
        """As Polars does, with the metadata in the file's."""
        options.setdefault("metadata", {KEY: orjson.dumps(self.metadata).decode()})
        pl.DataFrame(self).write_parquet(file, **options)


def read_metadata(path: str) -> dict[str, Any]:
    """The metadata of a training set in a Parquet file; empty if it has none."""
    text = pl.read_parquet_metadata(path).get(KEY)
    found: dict[str, Any] = orjson.loads(text) if text else {}
    return found


def metadata_of(
    project: Project,
    columns: Sequence[Column],
    views: Mapping[str, object],
    sources: Mapping[str, Events],
    timestamp: str,
    strict: bool,
    known: str,
    notes: Sequence[str],
    rows: int,
) -> dict[str, Any]:
    """What a training set is made of; nothing that differs when it is made again."""
    return {
        "rows": rows,
        "timestamp": timestamp,
        "strict": strict,
        "known": known,
        "features": {c.name: _named(c) for c in columns},
        "views": {id: project.plan(id).fingerprint for id in views},
        "sources": {name: events.told() for name, events in sources.items()},
        "code": {"headrace": __version__, **{p: version(p) for p in ("polars", "numpy", "deltalake")}},
        "notes": list(notes),
    }


def _named(column: Column) -> str:
    view = column.view
    return f"{view.id if isinstance(view, FeatureView) else view.name}:{column.feature}"
