"""Reading a changelog partition to its end: a batch operation, in columns until RocksDB takes the records.

Owns what "the end" and "the last flush" mean. Runs after the task's producer has fenced its predecessor, so
that nothing can be written behind the end it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiokafka.errors as kafka_errors
import numpy as np
import polars as pl
from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.errors import StateError, UnavailableError
from headrace.wire import RecordBatches
from tables import marker as markers
from tables.kafka.raw import read_to_end
from tables.kafka.records import Keyed, key_values
from tables.marker import Marker
from tables.table import TablePartition

_COMMITTED: Mapping[str, Any] = {
    "group_id": None,
    "enable_auto_commit": False,
    "isolation_level": "read_committed",
    "auto_offset_reset": "earliest",
    "max_partition_fetch_bytes": 32 << 20,  # a key that is changed often is written once for all of it
    "fetch_max_bytes": 64 << 20,
    "fetch_max_wait_ms": 100,
}

TimersOf = Callable[[pl.DataFrame], pl.DataFrame]
"""State records (`key`, `value`) -> the timers that they ask for: `due` (us), `key` (the entity's)."""


def untimed(records: pl.DataFrame) -> pl.DataFrame:
    """No timers: for a copy of the state that nobody works on."""
    return pl.DataFrame(schema={"due": pl.Int64, "key": pl.Binary})


@dataclass
class Restored:
    """What a restore found: records applied, bytes read, and the state keys of the changelog's last flush.

    The last flush is the one whose writes to the online store may not have happened. The marker of an
    opening (an epoch higher than the one before) does not end it: nothing was written online since.
    """

    marker: Marker
    flush_at: int
    records: int = 0
    nbytes: int = 0
    last_flush: list[bytes] = field(default_factory=list)
    _current: list[bytes] = field(default_factory=list)

    def changed(self, keys: Sequence[bytes]) -> None:
        self._current.extend(keys)

    def marked(self, marker: Marker, offset: int) -> None:
        """A marker stands at `offset`: the flush before it is complete."""
        if marker.epoch > self.marker.epoch and not self._current:
            self.marker = marker.logged(self.marker.flush_start, offset + 1)
        else:
            self.marker = marker.logged(self.flush_at, offset + 1)
            self.last_flush, self._current = self._current, []
        self.flush_at = offset + 1


class ChangelogReader:
    """Restores table partitions, each through a read_committed consumer of its own.

    Several may be under way: while one fetch is applied the others are read, so that memory is bounded by a fetch each.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._applying = asyncio.Lock()

    async def restore(
        self,
        table: TablePartition,
        timers_of: TimersOf,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Restored:
        """Apply what the local state lacks. `progress(offsets read, offsets to read)` is called after each fetch.

        The last flush is read again even if it is here already: its keys may be missing in the online store.
        Raises StateError if the local state is ahead of the changelog, UnavailableError if Kafka does not answer.
        """
        tp = TopicPartition(table.changelog, table.partition)
        consumer = AIOKafkaConsumer(**self._options, **_COMMITTED)
        try:
            await consumer.start()
            consumer.assign([tp])
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            with table.restoring():
                return await self._restore(consumer, tp, table, begin, end, timers_of, progress)
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(
                f"the changelog {tp.topic}[{tp.partition}] cannot be read: {exc!r}"
            ) from exc
        finally:
            await consumer.stop()

    async def begun(self, topic: str, partitions: Sequence[int]) -> bool:
        """Whether anything is committed in these partitions of a changelog. Raises UnavailableError."""
        at = [TopicPartition(topic, p) for p in partitions]
        consumer = AIOKafkaConsumer(**self._options, **_COMMITTED)
        try:
            await consumer.start()
            consumer.assign(at)
            begins, ends = await consumer.beginning_offsets(at), await consumer.end_offsets(at)
            for tp in at:
                async for batches in read_to_end(consumer, tp, begins[tp], ends[tp]):
                    if key_values([batches]).height:
                        return True
            return False
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(f"the changelog {topic} cannot be read: {exc!r}") from exc
        finally:
            await consumer.stop()

    async def _restore(
        self,
        consumer: AIOKafkaConsumer,
        tp: TopicPartition,
        table: TablePartition,
        begin: int,
        end: int,
        timers_of: TimersOf,
        progress: Callable[[int, int], None],
    ) -> Restored:
        start = beginning(table, tp, begin, end)
        restored = Restored(table.marker, start)
        async for batches in read_to_end(consumer, tp, start, end):
            async with self._applying:
                await to_the_end(asyncio.to_thread(apply, table, batches, timers_of, restored))
            progress(batches.next_offset - start, end - start)
        return restored


def beginning(table: TablePartition, tp: TopicPartition, begin: int, end: int) -> int:
    """Where to read a table's changelog from, which begins and ends there: at its last flush. The table is made
    ready to be written beside its cache.

    A changelog that begins later than that has to be read whole. Raises StateError if it ends before the local state.
    """
    local = table.marker
    if local.changelog > end:
        raise StateError(
            f"the local state of `{table.name}`[{table.partition}] is at changelog offset {local.changelog}, "
            f"the changelog {tp.topic} ends at {end}: the topic was deleted or cut. Restore the topic, or delete "
            "both it and the state folder to begin anew"
        )
    table.uncache()
    if not table.is_new and begin > local.flush_start:
        table.reset()
    return max(table.marker.flush_start, begin)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` that runs in a thread; if cancelled, wait for it all the same before going: it writes."""
    running = asyncio.ensure_future(work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def apply(table: TablePartition, batches: RecordBatches, timers_of: TimersOf, restored: Restored) -> None:
    """Put one fetch's records into RocksDB, with the newest marker among them."""
    records = Keyed([batches])
    keys = pl.DataFrame({"key": records.key})
    is_marker = pl.col("key") == pl.lit(markers.KEY)
    _mark(records, keys.select(is_marker.fill_null(value=False)).to_series(), restored)
    restored.records += len(records)
    newest = keys.select(~is_marker & pl.col("key").is_last_distinct()).to_series()
    values = records.values(newest.arg_true().to_numpy().astype(np.int64))
    # In key order: RocksDB takes neighbours cheaply.
    kept = keys.filter(newest).with_columns(value=values).sort("key")
    table.restore(kept, timers_of(kept.drop_nulls("value")), restored.marker)
    restored.nbytes += batches.nbytes


def _mark(records: Keyed, are_markers: pl.Series, restored: Restored) -> None:
    """Tell `restored` of the markers among the records, and of the keys before, between and behind them."""
    at = are_markers.arg_true().to_numpy().astype(np.int64)
    raws = dict(zip(at.tolist(), records.values(at).to_list(), strict=True))
    marks = [i for i, raw in raws.items() if raw is not None]
    # Only the last flush that had records is told in full; of those before it matters whether they had any.
    last = max((n for n, i in enumerate(marks) if i - (marks[n - 1] + 1 if n else 0) > 0), default=0)
    begin = 0
    for n, i in enumerate(marks):
        told = i if n >= last else min(begin + 1, i)
        restored.changed(records.key.slice(begin, told - begin).to_list())
        restored.marked(Marker.decode(raws[i]), int(records.offset[i]))
        begin = i + 1
    restored.changed(records.key.slice(begin).to_list())
