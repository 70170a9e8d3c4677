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
from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.errors import StateError, UnavailableError
from headrace.wire import RecordBatches
from tables import marker as markers
from tables.kafka.raw import read_to_end
from tables.kafka.records import key_values
from tables.marker import Marker
from tables.table import TablePartition

TimersOf = Callable[[list[bytes], list[bytes]], list[tuple[int, bytes]]]
"""(state keys, values) -> the timers that these records ask for: (due us, entity key)."""


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
    """Restores table partitions, one at a time, through one read_committed consumer of its own."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

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
        consumer = AIOKafkaConsumer(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=16 << 20,
            fetch_max_bytes=64 << 20,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            consumer.assign([tp])
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            return await self._restore(consumer, tp, table, begin, end, timers_of, progress)
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(
                f"the changelog {tp.topic}[{tp.partition}] cannot be read: {exc!r}"
            ) from exc
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
        local = table.marker
        if local.changelog > end:
            raise StateError(
                f"the local state of `{table.name}`[{table.partition}] is at changelog offset {local.changelog}, "
                f"the changelog {tp.topic} ends at {end}: the topic was deleted or cut. Restore the topic, or delete "
                "both it and the state folder to begin anew"
            )
        start = local.flush_start
        if not table.is_new and begin > start:
            table.reset()
            start = begin
        restored = Restored(table.marker, start)
        async for batches in read_to_end(consumer, tp, max(start, begin), end):
            await to_the_end(asyncio.to_thread(_apply, table, batches, timers_of, restored))
            progress(batches.next_offset - start, end - start)
        return restored


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` that runs in a thread; if cancelled, wait for it all the same before going: it writes."""
    running = asyncio.ensure_future(work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _apply(table: TablePartition, batches: RecordBatches, timers_of: TimersOf, restored: Restored) -> None:
    """Put one fetch's records into RocksDB, with the newest marker among them."""
    frame = key_values([batches])
    keys: list[bytes] = frame["key"].to_list()
    values: list[bytes | None] = frame["value"].to_list()
    latest: dict[bytes, bytes | None] = {}
    begin = 0
    for i in [i for i, key in enumerate(keys) if key == markers.KEY] + [len(keys)]:
        latest.update(zip(keys[begin:i], values[begin:i], strict=True))
        restored.changed(keys[begin:i])
        if i < len(keys):
            raw = values[i]
            if raw is not None:
                restored.marked(Marker.decode(raw), int(frame["offset"][i]))
        begin = i + 1
    live = [(k, v) for k, v in latest.items() if v is not None]
    timers = timers_of([k for k, _ in live], [v for _, v in live]) if live else []
    table.restore(latest, timers, restored.marker)
    restored.records += len(keys)
    restored.nbytes += batches.nbytes
