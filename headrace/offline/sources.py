"""Where events come from: a Delta table of history, Parquet files, a frame. Batches of a source's columns.

Owns the pruning of files by columns and by event time, and the shape that `SourcePlan.accept` takes. Refuses to
judge events: what is read twice is counted twice, and what is refused is the plan's affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from deltalake import DeltaTable

from headrace.definitions import BatchSource, StreamSource
from headrace.durations import DAY
from headrace.errors import StateError, UsageError
from headrace.history.account import writer_of
from headrace.history.files import lost
from headrace.history.gaps import Whole, gaps_of, refuse, remaining
from headrace.history.read import for_polars, scan
from headrace.history.retention import horizon_of
from headrace.history.storage import Options, named_errors
from headrace.history.upkeep import is_kept
from headrace.offline.columns import as_declared, is_as_stored, utc
from headrace.offline.listing import Files, digest, files_of
from headrace.types import Date, Int64

Source = StreamSource | BatchSource

BATCH = 500_000
"""Events in a batch: several of them are in memory of a source at once."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999


class Events(Protocol):
    """The events of one source."""

    def batches(
        self,
        columns: set[str],
        first: int,
        last: int,
        among: pl.Expr | None = None,
        *,
        recorded: bool = True,
        ordered: bool = True,
    ) -> Iterator[pl.DataFrame]:
        """The events of event time ``first <= t <= last`` (microseconds), and perhaps others, in any order.

        Frames with those of `columns` that the source has, and ``_partition _offset _timestamp _row`` (and
        ``_topic``, where it is among `columns`), as `SourcePlan.accept` takes them. Events that do not meet `among`, a
        condition on the source's columns, may be left out. Without `recorded`, ``_timestamp`` is null: not read; nor,
        without `ordered`, are ``_partition`` and ``_offset``.
        """
        ...

    def expected(self, first: int, last: int) -> int:
        """About how many events `batches` gives, at most."""
        ...

    def told(self) -> dict[str, Any]:
        """What makes a reading repeatable: where, and which version."""
        ...


@dataclass(frozen=True)
class DeltaEvents:
    """The events in a source's history, of one version of its table."""

    source: Source
    uri: str
    version: int
    options: Options = field(default_factory=dict)
    whole: Whole = field(default_factory=Whole)
    since: date | None = None
    """The first date that was not taken out by the source's retention; None: history is there from its beginning."""
    project: str = ""

    @classmethod
    def open(
        cls,
        source: StreamSource,
        uri: str,
        options: Options | None = None,
        version: int | None = None,
        *,
        project: str,
        allow_gaps: bool = False,
    ) -> DeltaEvents:
        """The newest version, or the one asked for. StateError if there is no table or no such version,
        PositionError if it has a gap (`headrace.history.gaps`) and `allow_gaps` does not let it.

        Files that the store has lost are looked for where gaps are allowed; else who reads one is told.
        """
        options = dict(options or {})
        with named_errors(uri):
            if not is_kept(uri, options):
                raise StateError(
                    f"source `{source.name}` has no history at {uri}. Run `headrace history` to keep its events, "
                    "or give a frame of them with events="
                )
            table = DeltaTable(uri, version=version, storage_options=options)
            events = cls(source, uri, table.version(), options, project=project)
            with events._naming_what_is_lost(table):
                found = events._gaps(table, lost(table, uri, options) if allow_gaps else ())
            if found.gaps and not allow_gaps:
                raise refuse(source.name, uri, found.gaps)
            return replace(events, whole=found, since=horizon_of(table, writer_of(project, source.name)))

    def _gaps(self, table: DeltaTable, gone: Sequence[str]) -> Whole:
        topics = self.source.topics if isinstance(self.source, StreamSource) else ()
        return gaps_of(table, writer_of(self.project, self.source.name), topics, gone)

    @contextmanager
    def _naming_what_is_lost(self, table: DeltaTable) -> Iterator[None]:
        """PositionError where what is done here reads a file that the store has lost."""
        try:
            yield
        except FileNotFoundError as exc:
            found = self._gaps(table, lost(table, self.uri, self.options))
            if not found.gaps:
                raise
            raise refuse(self.source.name, self.uri, found.gaps) from exc

    def batches(
        self,
        columns: set[str],
        first: int,
        last: int,
        among: pl.Expr | None = None,
        *,
        recorded: bool = True,
        ordered: bool = True,
    ) -> Iterator[pl.DataFrame]:
        """As `Events.batches`; files are left out by their date and their keys, row groups by the event time, too."""
        with named_errors(self.uri):
            table = DeltaTable(self.uri, version=self.version, storage_options=dict(self.options))
            with self._naming_what_is_lost(table):
                lazy = remaining(table, self.whole.gone)
                have = lazy.collect_schema()
                if "_date" in have:
                    lazy = lazy.filter(pl.col("_date").is_between(_date(first), _date(last)))
                if among is not None and all(
                    is_as_stored(self.source, n, have) for n in among.meta.root_names()
                ):
                    lazy = lazy.filter(among)
                yield from _batches(lazy, self.source, columns, first, last, recorded, ordered)

    def expected(self, first: int, last: int) -> int:
        """As `Events.expected`, by the numbers of rows that the log has of each file."""
        with named_errors(self.uri):
            table = DeltaTable(self.uri, version=self.version, storage_options=dict(self.options))
            files = pl.DataFrame(table.get_add_actions(flatten=True))
        if "partition._date" in files.columns:
            files = files.filter(pl.col("partition._date").is_between(_date(first), _date(last)))
        return int(files["num_records"].fill_null(BATCH).sum()) if len(files) else 0

    def told(self) -> dict[str, Any]:
        """The table, its version, the date since which it has events, and the gaps that were allowed."""
        told: dict[str, Any] = {"uri": self.uri, "version": self.version}
        told |= {"since": self.since.isoformat()} if self.since is not None else {}
        return told | ({"gaps": [g.told() for g in self.whole.gaps]} if self.whole.gaps else {})


def require_since(events: DeltaEvents, first: int, allow_gaps: bool) -> None:
    """StateError if events of `first` (microseconds) or later were taken out by the source's retention, unless
    `allow_gaps`."""
    if events.since is None or allow_gaps or _date(first) >= events.since:
        return
    wanted = "its beginning" if first < _FIRST else str(_date(first))
    raise StateError(
        f"history of `{events.source.name}` begins on {events.since}: what is older than its retention= is gone, and "
        f"{wanted} is asked for. Begin on {events.since} or later, or go on without: --allow-gaps, or allow_gaps=True"
    )


@dataclass(frozen=True)
class FileEvents:
    """The events in Parquet files or a Delta table of somebody else's: a batch source's `path`.

    `files` are those that were there when it was opened, of a Delta table those of `version`: what comes meanwhile is
    not read.
    """

    source: Source
    path: str
    files: Files
    version: int | None = None
    options: Options = field(default_factory=dict)

    @classmethod
    def open(
        cls, source: Source, path: str, options: Options | None = None, version: int | None = None
    ) -> FileEvents:
        """What is there now, or a Delta table's older `version`. StateError if there is nothing."""
        options = dict(options or {})
        with named_errors(path):
            if not _is_delta(path, options):
                return cls(source, path, files_of(path, options), options=options)
            table = DeltaTable(path, version=version, storage_options=options)
            added = pl.DataFrame(table.get_add_actions(flatten=True))
            files = dict(added.select("path", pl.col("size_bytes").cast(pl.String)).sort("path").iter_rows())
            return cls(source, path, files, table.version(), options)

    def only(self, files: Sequence[str]) -> FileEvents:
        """The events in some of the files."""
        return replace(self, files={f: self.files[f] for f in files})

    def batches(
        self,
        columns: set[str],
        first: int,
        last: int,
        among: pl.Expr | None = None,
        *,
        recorded: bool = True,
        ordered: bool = True,
    ) -> Iterator[pl.DataFrame]:
        """As `Events.batches`. Events count as ordered as they are in the files, by the files' names."""
        if self.files:
            with named_errors(self.path):
                yield from _batches(self._scan(), self.source, columns, first, last, recorded, ordered)

    def expected(self, first: int, last: int) -> int:
        """As `Events.expected`: all of them, which the files' ends tell."""
        if not self.files:
            return 0
        with named_errors(self.path):
            return int(self._scan().select(pl.len()).collect().item())

    def _scan(self) -> pl.LazyFrame:
        if self.version is None:
            return pl.scan_parquet(list(self.files), storage_options=for_polars(self.options), glob=False)
        table = DeltaTable(self.path, version=self.version, storage_options=dict(self.options))
        whole = len(table.file_uris()) == len(self.files)
        return scan(table, None if whole else list(self.files))

    def told(self) -> dict[str, Any]:
        """The path, and which files were read: the version of a Delta table, a digest of others."""
        which = {"files": digest(self.files)} if self.version is None else {"version": self.version}
        return {"path": self.path, **which}


@dataclass(frozen=True)
class FrameEvents:
    """Events at hand: a Polars, pandas or pyarrow frame."""

    source: Source
    frame: pl.LazyFrame

    def batches(
        self,
        columns: set[str],
        first: int,
        last: int,
        among: pl.Expr | None = None,
        *,
        recorded: bool = True,
        ordered: bool = True,
    ) -> Iterator[pl.DataFrame]:
        """As `Events.batches`. Without ``_partition`` and ``_offset``, events count as ordered as they are."""
        yield from _batches(self.frame, self.source, columns, first, last, recorded, ordered)

    def expected(self, first: int, last: int) -> int:
        """As `Events.expected`: all of them."""
        return int(self.frame.select(pl.len()).collect().item())

    def told(self) -> dict[str, Any]:
        """That it was a frame: nothing that could be read again."""
        return {"frame": True}


def _is_delta(path: str, options: Options) -> bool:
    if "://" not in path and not Path(path).is_dir():
        return False
    return is_kept(path, options)


def _batches(
    lazy: pl.LazyFrame,
    source: Source,
    columns: set[str],
    first: int,
    last: int,
    recorded: bool,
    ordered: bool,
) -> Iterator[pl.DataFrame]:
    have = lazy.collect_schema()
    if source.timestamp is not None and source.timestamp not in have:
        raise UsageError(
            f"the events of source `{source.name}` have no column `{source.timestamp}`, which is their event time; "
            f"they have {', '.join(have)}"
        )
    if ordered and "_offset" not in have:
        lazy = lazy.with_row_index("_offset")
    if source.timestamp is not None:
        lazy = lazy.filter(_within(source, have, first, last))
    wanted = [
        as_declared(source, name, have)
        for name in source.columns
        if name in columns or name == source.timestamp
    ]
    lazy = lazy.select(*wanted, *_places(source, have, columns, recorded, ordered))
    for batch in lazy.collect_batches(chunk_size=BATCH, maintain_order=True):
        yield batch.hstack([pl.Series("_row", np.arange(len(batch)))])


def _places(
    source: Source, have: pl.Schema, columns: set[str], recorded: bool, ordered: bool
) -> list[pl.Expr]:
    out = [
        pl.col("_partition").cast(pl.Int32)
        if ordered and "_partition" in have
        else pl.lit(0 if ordered else None, dtype=pl.Int32).alias("_partition"),
        pl.col("_offset").cast(pl.Int64) if ordered else pl.lit(None, dtype=pl.Int64).alias("_offset"),
    ]
    if "_topic" in columns or (ordered and len(getattr(source, "topics", ())) > 1):
        topic = source.topics[0] if isinstance(source, StreamSource) else source.name
        out.append(pl.col("_topic").cast(pl.String) if "_topic" in have else pl.lit(topic).alias("_topic"))
    if "_timestamp" not in have or not recorded:
        out.append(pl.lit(None, dtype=pl.Int64).alias("_timestamp"))
    elif isinstance(have["_timestamp"], pl.Datetime):
        out.append(utc("_timestamp", have["_timestamp"]).dt.timestamp("us").alias("_timestamp"))
    else:
        out.append(pl.col("_timestamp").cast(pl.Int64))
    return out


def _within(source: Source, have: pl.Schema, first: int, last: int) -> pl.Expr:
    """A filter that Parquet's statistics can answer. Null times stay: they are refused by the plan."""
    name = source.timestamp
    assert name is not None
    type = source.columns[name]
    first, last = (min(max(b, _FIRST), _LAST) for b in (first, last))
    column = pl.col(name)
    if type == Int64:
        return column.is_between(first // 1000, last // 1000)
    if type == Date:
        return column.cast(pl.Date).is_between(_date(first), _date(last))
    dtype = have[name]
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    bounds = [EPOCH + timedelta(microseconds=b) for b in (first, last)]
    if zone is None:
        bounds = [b.replace(tzinfo=None) for b in bounds]
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "us":
        column = column.dt.cast_time_unit("us")
    lower, upper = (pl.lit(b, dtype=pl.Datetime("us", zone)) for b in bounds)
    return column.is_between(lower, upper)


def _date(instant: int) -> date:
    clipped = min(max(instant, _FIRST), _LAST)
    return date(1970, 1, 1) + timedelta(days=clipped // DAY)
