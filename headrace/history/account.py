"""A table's account of itself: of each partition, where it began and how many events it was given.

Both are Delta application transactions beside the position, in the commit that brings the events. So what a commit had
no event for (control records, aborted transactions, what compaction took, dead letters) is told from what is gone.
Refuses to look at rows: `gaps` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from deltalake import DeltaTable

from headrace.history.positions import Place

LOOKUPS = 8
"""Transactions looked up at once: each may read the table's log again."""


def writer_of(project: str, source: str) -> str:
    """Who writes a source's table, as its transactions say."""
    return f"headrace/{project}/{source}"


def position_name(writer: str, place: Place) -> str:
    """The transaction that is a partition's next offset."""
    return f"{writer}/{place[0]}/{place[1]}"


def events_name(writer: str, place: Place) -> str:
    """The transaction that is how many events of a partition were committed."""
    return f"{position_name(writer, place)}/events"


def begin_name(writer: str, place: Place) -> str:
    """The transaction that is a partition's first offset."""
    return f"{position_name(writer, place)}/begin"


def retired_name(writer: str, place: Place) -> str:
    """The transaction that is how many events of a partition were taken out since, on purpose."""
    return f"{position_name(writer, place)}/retired"


def horizon_name(writer: str) -> str:
    """The transaction that is the first date, in days since 1970, that was not taken out."""
    return f"{writer}/retired"


def retired(table: DeltaTable, writer: str, place: Place) -> int:
    """How many events of a partition were taken out on purpose."""
    if table.transaction_version(horizon_name(writer)) is None:
        return 0
    return table.transaction_version(retired_name(writer, place)) or 0


def committed(
    table: DeltaTable, writer: str, topics: Iterable[str], partitions: int
) -> dict[Place, int | None]:
    """How many events of each partition were committed and not taken out on purpose; None where nobody kept account.

    The partitions below `partitions`, and those behind it that the table knows without a break.
    """
    found: dict[Place, int | None] = {}
    with ThreadPoolExecutor(LOOKUPS) as pool:
        for topic in topics:
            known = [(topic, p) for p in range(partitions)]
            counts = pool.map(lambda place: _left(table, writer, place), known)
            found |= dict(zip(known, counts, strict=True))
            found |= dict(_beyond(table, writer, topic, partitions))
    return found


def _left(table: DeltaTable, writer: str, place: Place) -> int | None:
    count: int | None = table.transaction_version(events_name(writer, place))
    return None if count is None else count - retired(table, writer, place)


def _beyond(table: DeltaTable, writer: str, topic: str, partition: int) -> Iterator[tuple[Place, int]]:
    while (count := _left(table, writer, (topic, partition))) is not None:
        yield (topic, partition), count
        partition += 1
