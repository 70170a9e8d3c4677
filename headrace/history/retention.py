"""What history keeps for so long alone: whole dates are taken out, and the table's account says so.

Each commit that takes dates out carries, as Delta application transactions, how many events of each partition have gone
so far and before which date: so what was let go is no gap, and who recomputes knows where history begins. The files
stay for older versions until `vacuum`. Refuses to delete anything smaller than a date.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction

from headrace.history.account import horizon_name, retired_name
from headrace.history.read import scan
from headrace.history.schema import DATE
from headrace.history.storage import Options, named_errors
from headrace.history.table import WRITER

EPOCH = date(1970, 1, 1)


def retire(uri: str, writer: str, before: date, storage_options: Options | None = None) -> int:
    """Take every event of a date before `before` out of the table; how many there were.

    Beside writers; an event that comes for such a date meanwhile goes with the next call.
    """
    with named_errors(uri):
        table = DeltaTable(uri, storage_options=dict(storage_options or {}))
        if not any(date.fromisoformat(p[DATE]) < before for p in table.partitions()):
            return 0
        counted = DeltaTable(uri, version=table.version(), storage_options=dict(storage_options or {}))
        old = scan(counted).filter(pl.col(DATE) < before)
        rows = old.group_by("_topic", "_partition").len().collect().rows()
        moves = [Transaction(horizon_name(writer), (before - EPOCH).days)]
        for topic, partition, n in rows:
            name = retired_name(writer, (topic, partition))
            moves.append(Transaction(name, (table.transaction_version(name) or 0) + n))
        table.delete(
            f"{DATE} < '{before}'",
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=moves),
        )
    return sum(n for *_, n in rows)


def horizon_of(table: DeltaTable, writer: str) -> date | None:
    """The first date that the table still has; None if nothing was ever taken out."""
    days: int | None = table.transaction_version(horizon_name(writer))
    return None if days is None else EPOCH + timedelta(days=days)
