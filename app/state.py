"""A look at the state of a view, beside whoever owns it: positions, and each entity's values as of its own T.

From the changelog: what a new owner would have, to the last committed flush. Or from a state folder: what is on disk
there now. Writes nothing but a temporary folder.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from agents.stages import ViewStage, stages_of
from app.kafka import connect
from headrace.durations import format_instant
from headrace.errors import UsageError
from headrace.online.text import to_text
from headrace.panes import again
from headrace.panes.heads import head_keys
from headrace.project import Project
from headrace.settings import Settings
from tables.cache import RecordCache
from tables.kafka.changelog import ChangelogReader, untimed
from tables.kafka.raw import install
from tables.kafka.topics import Topics
from tables.store import StateStore
from tables.table import TablePartition

AT_ONCE = 20_000
_LONG_AGO = -(1 << 62)


def state_of(
    project: Project, settings: Settings, view_id: str, keys: Sequence[str] | None, folder: Path | None
) -> dict[str, Any]:
    """``{"view", "from", "partitions": [{"partition", "epoch", "sequence", "clock", "positions"}], "entities":
    [{"key", "partition", "as_of", "event_time", "features"}]}``, in order of partition and key.

    `features` are texts as in Redis, null where the field would be absent. `keys`: entities' texts, or None for all.
    `folder`: a state folder to look into; None: the changelog is read.
    """
    _, view = stages_of(project, settings.project, view_id, clock=settings.clock)
    with tempfile.TemporaryDirectory(prefix="headrace-state-") as scratch:
        if folder is not None:
            store = StateStore(folder, settings.project, beside=Path(scratch))
            tables = [_table(store, view, p, None) for p in store.partitions(view.id)]
        else:
            store = StateStore(Path(scratch) / "state", settings.project, changelogged=True)
            tables = asyncio.run(_restored(settings, store, view))
        try:
            entities = [row for table in tables for row in _entities(view, table, keys)]
            return {
                "view": view.id,
                "from": "changelog" if folder is None else str(folder),
                "partitions": [_position(t) for t in tables],
                "entities": entities,
            }
        finally:
            store.close()


def _table(store: StateStore, view: ViewStage, partition: int, changelog: str | None) -> TablePartition:
    return TablePartition(store, RecordCache(1 << 20), view.id, partition, changelog, view.plan.fingerprint)


async def _restored(settings: Settings, store: StateStore, view: ViewStage) -> list[TablePartition]:
    install()
    cluster = connect(settings.kafka)
    topics = Topics(cluster.confluent(), embedded=cluster.embedded)
    found = await asyncio.to_thread(topics.describe, [view.changelog])
    if cluster.embedded or view.changelog not in found:
        raise UsageError(f"there is no changelog `{view.changelog}`: look into a state folder with --folder")
    reader = ChangelogReader(cluster.aiokafka())
    tables = []
    for partition in range(found[view.changelog].partitions):
        table = _table(store, view, partition, view.changelog)
        await reader.restore(table, untimed)
        tables.append(table)
    return tables


def _position(table: TablePartition) -> dict[str, Any]:
    marker = table.marker
    return {
        "partition": table.partition,
        "epoch": marker.epoch,
        "sequence": marker.sequence,
        "clock": None if marker.clock is None else format_instant(marker.clock),
        "positions": dict(marker.positions),
    }


def _entities(view: ViewStage, table: TablePartition, keys: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    table.check()
    if keys is not None:
        heads = head_keys(pl.Series(keys, dtype=pl.String))
        held = zip(keys, table.read(heads), strict=True)
        yield from _values(view, table, sorted(k.encode() for k, value in held if value is not None))
        return
    after = b""
    while records := table.entities(AT_ONCE, after):
        after = records[-1][0]
        yield from _values(view, table, view.core.entities_of([key for key, _ in records]))


def _values(view: ViewStage, table: TablePartition, entities: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """What a flush would write of these entities, if nothing had happened since they were last looked at."""
    if not entities:
        return
    rows = pl.DataFrame(schema=view.plan.row_schema)
    due = {table.partition: again(entities)}
    update = view.core.step(rows, due, {table.partition: _LONG_AGO}, lambda _, keys: table.read(keys))
    live = update.online.filter(~pl.col("_remove")).sort("_key")
    types = view.plan.feature_types
    texts = {name: to_text(live[name], type).to_list() for name, type in types.items()}
    columns = (live["_key"].cast(pl.String), live["_as_of"], live["_event_time"])
    for i, (key, as_of, event_time) in enumerate(zip(*columns, strict=True)):
        yield {
            "key": key,
            "partition": table.partition,
            "as_of": format_instant(as_of),
            "event_time": format_instant(event_time),
            "features": {name: column[i] for name, column in texts.items()},
        }
