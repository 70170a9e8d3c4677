"""Files in the order of an entity's key: each date's one after another, so that a few entities are in a few files.

Joining and ordering are one rewriting of a date, done where it pays: where its large files overlap, or its small ones
have become much of it. Rows, positions and older versions stay. Refuses to know which key.
"""

from __future__ import annotations

import polars as pl
from deltalake import DeltaTable

from headrace.history.schema import DATE
from headrace.history.storage import Options, named_errors
from headrace.history.table import TARGET_FILE_SIZE, WRITER

SMALL = 4
"""A file is small below the target's size by so much."""

SHARE = 8
"""Small files are put in order once they are so great a part of their date's bytes, or more than `MANY`."""

MANY = 32


def put_in_order(
    uri: str, by: str, storage_options: Options | None = None, *, target_size: int = TARGET_FILE_SIZE
) -> tuple[int, int]:
    """Joins and orders the files of each date that needs it, by the column `by`, into files of about `target_size`
    bytes, in one commit: (files removed, files added)."""
    with named_errors(uri):
        table = DeltaTable(uri, storage_options=dict(storage_options or {}))
        dates = out_of_order(pl.DataFrame(table.get_add_actions(flatten=True)), by, target_size)
        if not dates:
            return 0, 0
        done = table.optimize.z_order(
            [by],
            partition_filters=[(DATE, "in", dates)],
            target_size=target_size,
            max_concurrent_tasks=1,
            writer_properties=WRITER,
        )
    return int(done["numFilesRemoved"]), int(done["numFilesAdded"])


def out_of_order(files: pl.DataFrame, by: str, target_size: int) -> list[str]:
    """The dates whose files are to be put in order: `files` as delta-rs tells of them, with statistics of `by`."""
    first, last = f"min.{by}", f"max.{by}"
    if not {first, last, f"partition.{DATE}"} <= set(files.columns):
        return []
    small = pl.col("size_bytes") < target_size // SMALL
    bytes_, few = pl.col("size_bytes"), small.sum()
    large = files.filter(~small).sort(f"partition.{DATE}", first)
    overlap = (pl.col(first) < pl.col(last).shift(1)).any()
    overlapping = large.group_by(f"partition.{DATE}").agg(overlap.alias("due"))
    crumbs = files.group_by(f"partition.{DATE}").agg(
        ((few > MANY) | ((few > 1) & (bytes_.filter(small).sum() * SHARE >= bytes_.sum()))).alias("due")
    )
    due = pl.concat([overlapping, crumbs]).filter("due")
    return sorted(str(d) for d in due[f"partition.{DATE}"].unique())
