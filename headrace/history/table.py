"""The writer of one source's history: a batch of events and the offsets it covers, in one commit, exactly
once.

Offsets are Delta application transactions in the same commit as the files, and the commit is made through the
handle whose snapshot was compared: delta-rs refuses it if any commit since then carries a transaction of the
same partition, and takes it up again by itself if it does not. Never by URI, which would check nothing.
Refuses to hold events back or to decide when a commit is due; memory is what one batch takes.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from headrace.errors import HeadraceError, PositionError, SettingsError, UnavailableError
from headrace.history.account import begin_name, events_name, position_name
from headrace.history.positions import Place, Spans, is_done
from headrace.history.rows import Events, history_rows, require_within
from headrace.history.schema import DATE, HistorySchema, gained, widened
from headrace.history.storage import Options, as_error, named_errors
from headrace.types import DataType, from_arrow

log = logging.getLogger("headrace.history")

TARGET_FILE_SIZE = 120 << 20
"""Files are to have 64 to 128 MB: of what is put in order, a writer ends a file a few MB behind the target."""

WRITER_ROWS = 128 * 1024

WRITER = WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=WRITER_ROWS)

PROPERTIES: Mapping[str, str | None] = {
    "delta.checkpointInterval": "20",  # The log is read anew for each commit.
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.dataSkippingNumIndexedCols": "-1",  # All: the columns of ours stand behind the source's own.
}
"""Of every table of ours."""

_ATTEMPTS = 10


class HistoryTable:
    """One table, one writer object; not for two threads at once, but for any number of processes.

    `writer` names the positions in the table's log, as ``headrace/{project}/{source}``.
    """

    def __init__(
        self,
        uri: str,
        schema: HistorySchema,
        *,
        writer: str,
        storage_options: Options | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.uri = uri
        self.schema = schema
        self._writer = writer
        self._options = dict(storage_options or {})
        self._sleep = sleep
        self._acknowledged: dict[Place, int] = {}
        self._accounts: dict[
            Place, tuple[int, int]
        ] = {}  # of our last commit: the position, the events up to it

    def open_or_create(self) -> None:
        """Makes the table if it is not there, and adds the columns that it lacks.

        Raises SchemaError if a column changed its type, SettingsError for a bucket that is not there or
        credentials that are refused, UnavailableError.
        """
        with named_errors(self.uri):
            try:
                DeltaTable(self.uri, storage_options=self._options)
            except TableNotFoundError:
                self._create()
        self._retrying(self._require_columns, self._add_columns)

    def _create(self) -> None:
        """Makes the table, unless another writer does so just now: then theirs is the table."""
        with suppress(CommitFailedError):
            DeltaTable.create(
                self.uri,
                self.schema.arrow,
                mode="ignore",
                partition_by=[DATE],
                configuration=PROPERTIES,
                storage_options=self._options,
            )

    def position(self, topic: str, partition: int) -> int | None:
        """The next offset that the table has not seen; None for a partition it never saw. Reads the log."""
        return self.positions([(topic, partition)])[topic, partition]

    def positions(self, places: Iterable[Place]) -> dict[Place, int | None]:
        """`position` of several partitions, of one snapshot."""
        table = self._newest()
        found = {place: self._stands(table, place) for place in places}
        for place in found:
            self._acknowledged.pop(place, None)
            self._accounts.pop(place, None)
        return found

    def append(self, events: Events, spans: Spans) -> None:
        """Commits `events` and, with them, that `spans` are covered; returns at once if they were already.

        A span may hold no event (all of them dead letters), and a commit no event at all. The answer to a
        commit may be lost: that is found out here or, while the store is away, by calling again with the same
        arguments. Raises FencedError and PositionError as `positions.is_done`, and PositionError for an event
        outside the spans; UnavailableError (call again later), SettingsError; StateError for what the store
        refuses again and again.
        """
        rows = history_rows(events, self.schema)
        require_within(rows, spans)
        self._retrying(
            lambda table: is_done(spans, lambda place: self._stands_still(table, place)),
            lambda table: self._commit(table, rows, spans),
        )
        self._acknowledged |= {place: end for place, (_, end) in spans.items()}

    def _retrying(self, is_done: Callable[[DeltaTable], bool], act: Callable[[DeltaTable], None]) -> None:
        """Acts on the newest snapshot until `is_done` says of one that nothing is left to do.

        What an attempt did is not taken from its answer but from the next snapshot: a commit may fail because
        its own first try succeeded and the answer to that was lost.
        """
        failures: list[HeadraceError] = []
        while True:
            table = self._newest()
            if is_done(table):
                return
            if failures and isinstance(failures[-1], UnavailableError | SettingsError):
                raise failures[-1]
            if len(failures) >= _ATTEMPTS:
                raise failures[-1]
            try:
                act(table)
                return
            except CommitFailedError as exc:
                failures.append(as_error(self.uri, exc))
            except (DeltaError, OSError) as exc:
                failures += [as_error(self.uri, exc)] * (_ATTEMPTS // 3)
            self._sleep(random.uniform(0, 0.02 * 2 ** min(len(failures), 6)))

    def _newest(self) -> DeltaTable:
        """A handle at the newest snapshot, read from the log anew.

        Not the last one brought up to date: it would still hold our last commit if that was overwritten, as a
        store whose conditional PUT is not atomic lets happen, and we would build on what is not there.
        """
        with named_errors(self.uri):
            return DeltaTable(self.uri, storage_options=self._options)

    def _stands(self, table: DeltaTable, place: Place) -> int | None:
        with named_errors(self.uri):  # it may read the log again
            at: int | None = table.transaction_version(position_name(self._writer, place))
        return at

    def _stands_still(self, table: DeltaTable, place: Place) -> int | None:
        """As `_stands`; raises PositionError if the table fell behind what it acknowledged to us."""
        at, known = self._stands(table, place), self._acknowledged.get(place)
        if known is not None and (at is None or at < known):
            raise PositionError(
                f"history at {self.uri} lost a commit that it had acknowledged: {place[0]}/{place[1]} was at"
                f" {known} and is at {at}. Read again from there; see that the S3 server's conditional PUT is"
                " atomic, and that nothing else writes to the table"
            )
        return at

    def _commit(self, table: DeltaTable, rows: pa.Table, spans: Spans) -> None:
        moved = {place: span for place, span in spans.items() if span[0] < span[1]}
        counts = _events_by_place(rows)
        moves, accounts = [], {}
        for place, (start, end) in moved.items():
            moves.append(Transaction(position_name(self._writer, place), end))
            before = self._events_before(table, place, start)
            if before is not None:
                accounts[place] = (end, before + counts.get(place, 0))
                moves.append(Transaction(events_name(self._writer, place), accounts[place][1]))
                if place not in self._acknowledged and self._stands(table, place) is None:
                    moves.append(Transaction(begin_name(self._writer, place), start))
        write_deltalake(
            table,
            rows,
            mode="append",
            schema_mode="merge",
            partition_by=[DATE],
            target_file_size=TARGET_FILE_SIZE,
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=moves),
        )
        self._accounts |= accounts

    def _events_before(self, table: DeltaTable, place: Place, start: int) -> int | None:
        """The events that were committed below `start`, where the table stands; None if nobody counted them."""
        known = self._accounts.get(place)
        if known is not None and known[0] == start:
            return known[1]
        with named_errors(self.uri):
            counted: int | None = table.transaction_version(events_name(self._writer, place))
        return 0 if counted is None and self._stands(table, place) is None else counted

    def _require_columns(self, table: DeltaTable) -> bool:
        """Whether the table has every column of the source; raises SchemaError for one of another type."""
        stored = stored_types(table)
        return all(stored.get(n) == t for n, t in self._widened(stored).items())

    def _add_columns(self, table: DeltaTable) -> None:
        stored = stored_types(table)
        types = self._widened(stored)
        if any(types[n] != t and not gained(t, types[n]) for n, t in stored.items() if n in types):
            self._promote(table, stored | types)
            return
        fields = [pa.field(n, t.arrow) for n, t in types.items()]
        empty = pa.schema([*fields, self.schema.arrow.field(DATE)]).empty_table()
        write_deltalake(table, empty, mode="append", schema_mode="merge", partition_by=[DATE])

    def _promote(self, table: DeltaTable, types: Mapping[str, DataType]) -> None:
        """Writes every row anew with these types, in one commit: Delta's columns have one type in all files.

        Positions and accounts stay, and so do older versions, with the types that they had. What another writer adds
        meanwhile stays beside it: its numbers are read as the wider type.
        """
        log.info("history at %s: columns are promoted, which writes the table anew", self.uri)
        schema = pa.schema([pa.field(n, t.arrow) for n, t in types.items()])
        source = table.to_pyarrow_dataset()
        rows = source.scanner(batch_size=WRITER_ROWS, batch_readahead=1, fragment_readahead=1).to_reader()
        batches = (_cast(batch, schema) for batch in rows)
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(schema, batches),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=[DATE],
            target_file_size=TARGET_FILE_SIZE,
            writer_properties=WRITER,
        )

    def _widened(self, stored: Mapping[str, DataType]) -> dict[str, DataType]:
        return {n: widened(n, stored.get(n, t), t) for n, t in self.schema.types.items()}


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns of `schema`; null where it has none."""
    columns = [
        batch[f.name].cast(f.type) if f.name in batch.schema.names else pa.nulls(len(batch), f.type)
        for f in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _events_by_place(rows: pa.Table) -> dict[Place, int]:
    counted = (
        rows.select(["_topic", "_partition"])
        .group_by(["_topic", "_partition"])
        .aggregate([([], "count_all")])
    )
    return {(row["_topic"], row["_partition"]): row["count_all"] for row in counted.to_pylist()}


def stored_types(table: DeltaTable) -> dict[str, DataType]:
    """The columns of a table as it is, in order."""
    return {f.name: from_arrow(f.type) for f in pa.schema(table.schema().to_arrow())}
