"""Upkeep of a history table: few large files instead of many small ones, and none that nothing points to.

Both are safe beside running writers: a compaction moves no position and changes no row, and a file is deleted
only when it was dropped from the table, or left behind by a commit that failed, more than a week ago.
"""

from __future__ import annotations

from datetime import date

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from headrace.history.schema import DATE
from headrace.history.storage import Options, named_errors
from headrace.history.table import TARGET_FILE_SIZE, WRITER

SAFE_RETENTION_HOURS = 7 * 24


def is_kept(uri: str, storage_options: Options | None = None) -> bool:
    """Whether there is a table. Not by `DeltaTable.is_deltatable`, which lets no other thread run while it waits."""
    with named_errors(uri):
        try:
            DeltaTable(uri, storage_options=dict(storage_options or {}))
        except TableNotFoundError:
            return False
    return True


def compact(
    uri: str,
    storage_options: Options | None = None,
    *,
    target_size: int = TARGET_FILE_SIZE,
    until: date | None = None,
) -> tuple[int, int]:
    """Joins the small files of each date, or of those before `until`, into files of about `target_size` bytes: (files
    removed, files added).

    Rows and positions stay; the old files stay too, for readers of older versions, until `vacuum`.
    """
    with named_errors(uri):
        table = DeltaTable(uri, storage_options=dict(storage_options or {}))
        done = table.optimize.compact(
            partition_filters=None if until is None else [(DATE, "<", until.isoformat())],
            target_size=target_size,
            max_concurrent_tasks=1,
            writer_properties=WRITER,
        )
    return int(done["numFilesRemoved"]), int(done["numFilesAdded"])


def vacuum(
    uri: str, storage_options: Options | None = None, *, hours: int = SAFE_RETENTION_HOURS
) -> list[str]:
    """Deletes the files that no version of the last `hours` points to; their paths.

    Less than a week is refused (StateError): a file younger than that may belong to a commit under way, or to
    a reader that is still at it.
    """
    with named_errors(uri):
        table = DeltaTable(uri, storage_options=dict(storage_options or {}))
        return table.vacuum(retention_hours=hours, dry_run=False)
