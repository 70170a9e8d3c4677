"""From a source to its events: frames that are at hand, a batch source's files, or the project's history.

Owns which version of a table is read, and that the definitions are those of the training set that is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa

from headrace.definitions import BatchSource, UpdateSource
from headrace.errors import UsageError, did_you_mean
from headrace.history.access import options_of
from headrace.history.storage import Options, table_uri
from headrace.offline.metadata import TrainingSet, read_metadata
from headrace.offline.sources import DeltaEvents, Events, FileEvents, FrameEvents, Source
from headrace.project import Project
from headrace.settings import Settings

AtVersion: TypeAlias = int | Mapping[str, int] | TrainingSet | str | Path | None
"""A version of every source's table, or of each by name, or those of a training set, or of its Parquet file."""

Frames: TypeAlias = Mapping[str, Any] | None
"""Events by source: Polars, pandas or pyarrow frames."""


@dataclass(frozen=True)
class Opening:
    """Opens the events of a project's sources."""

    settings: Settings
    frames: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    version: int | None = None
    allow_gaps: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    """Digests of the files that batch sources must have (`FileEvents.told`)."""

    def __call__(self, source: Source) -> Events:
        """The events of a source. StateError if it has no history, or not that version of it; PositionError if it has
        a gap that is not allowed; UsageError for the updates of a view."""
        refuse_updates(source)
        if source.name in self.frames:
            return FrameEvents(source, self.frames[source.name])
        if isinstance(source, BatchSource):
            return self._files(source, options_of(self.settings, source.path))
        options = options_of(self.settings)
        uri = table_uri(self.settings.history.uri, self.settings.project, source.name)
        return DeltaEvents.open(
            source,
            uri,
            options,
            self.versions.get(source.name, self.version),
            project=self.settings.project,
            allow_gaps=self.allow_gaps,
        )

    def _files(self, source: BatchSource, options: Options) -> FileEvents:
        found = FileEvents.open(source, source.path, options, self.versions.get(source.name))
        told = self.files.get(source.name)
        if told is not None and found.told().get("files") != told:
            raise UsageError(
                f"the files at {source.path} have changed since the training set was made: its values cannot be "
                "repeated. A Delta table there keeps its versions"
            )
        return found


def refuse_updates(source: Source) -> None:
    """UsageError for the updates of a view: history does not keep them."""
    if isinstance(source, UpdateSource):
        raise UsageError(
            f"history keeps events, not the updates of {source.name}: values of views derived from it are not "
            "computed from history yet. Define the features on the stream itself"
        )


def opening(
    project: Project, settings: Settings, events: Frames, at_version: AtVersion, allow_gaps: bool = False
) -> Opening:
    """What opens events for one training set. UsageError for a source that is not there, for a training set whose
    definitions have changed since, and for one that was made of a frame."""
    frames = {_source(name, project): lazy(frame) for name, frame in (events or {}).items()}
    if at_version is None or isinstance(at_version, int):
        return Opening(settings, frames, version=at_version, allow_gaps=allow_gaps)
    if isinstance(at_version, Mapping):
        given = {_source(n, project): int(v) for n, v in at_version.items()}
        return Opening(settings, frames, given, allow_gaps=allow_gaps)
    told = told_by(at_version)
    if not told:
        raise UsageError(f"at_version: {at_version} is no training set of Headrace's: it tells no versions")
    for id, fingerprint in told["views"].items():
        now = project.plan(id).fingerprint
        if now != fingerprint:
            raise UsageError(
                f"view {id} has changed since the training set was made (fingerprint {fingerprint}, now {now}): "
                "its values cannot be repeated"
            )
    versions, files = {}, {}
    for name, source in told["sources"].items():
        if "version" in source:
            versions[name] = int(source["version"])
        elif "files" in source:
            files[name] = str(source["files"])
        elif name not in frames:
            raise UsageError(
                f"the training set was made of a frame for source `{name}`: give it with events="
            )
    return Opening(settings, frames, versions, allow_gaps=allow_gaps, files=files)


def told_by(at_version: AtVersion) -> Mapping[str, Any]:
    """The metadata of the training set that is to be repeated; nothing where only versions are given."""
    if isinstance(at_version, TrainingSet):
        return at_version.metadata
    return read_metadata(str(at_version)) if isinstance(at_version, str | Path) else {}


def _source(name: str, project: Project) -> str:
    if name not in project.sources:
        hint = did_you_mean(name, project.sources) or f"The sources are {', '.join(project.sources)}."
        raise UsageError(f"no source `{name}`. {hint}")
    return name


def lazy(frame: Any) -> pl.LazyFrame:
    """A frame, whoever made it, or the path of a Parquet file. UsageError for anything else."""
    if isinstance(frame, str | Path):
        if not Path(frame).is_file():
            raise UsageError(f"events: there is no Parquet file `{frame}`")
        return pl.scan_parquet(frame)
    if isinstance(frame, pl.LazyFrame):
        return frame
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return pl.DataFrame(pl.from_arrow(frame)).lazy()
    if hasattr(frame, "iloc"):
        return pl.from_pandas(frame).lazy()
    raise UsageError(
        f"events are a Polars, pandas or pyarrow frame, or a Parquet file, not {type(frame).__name__}"
    )
