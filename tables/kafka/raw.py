"""Raw record batches out of aiokafka's fetcher: the bytes of a fetch response, never a record object.

aiokafka parses every record into a ConsumerRecord (1 us each); Headrace decodes columns from the bytes.
One process-wide substitution makes the bytes reachable: `aiokafka.consumer.fetcher.MemoryRecords`, a module
global looked up for every fetch response, becomes `RawRecords`, which keeps the buffer and behaves like the
original for every consumer that still wants records. aiokafka is pinned; tests/tables/test_raw.py guards
what is relied on: `Fetcher._records`, `FetchResult._partition_records`, `PartitionRecords._records`,
`._aborted_transactions`, `.next_fetch_offset`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiokafka.consumer.fetcher as fetcher_module
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.record.memory_records import MemoryRecords

from headrace.wire import RecordBatches


class RawRecords:
    """Stands in for aiokafka's MemoryRecords: the same three methods, and the bytes as `data`."""

    __slots__ = ("_parsed", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._parsed: Any = None

    def _records(self) -> Any:
        if self._parsed is None:
            self._parsed = MemoryRecords(self.data)
        return self._parsed

    def has_next(self) -> bool:
        return bool(self._records().has_next())

    def next_batch(self) -> Any:
        return self._records().next_batch()

    def size_in_bytes(self) -> int:
        return len(self.data)


def install() -> None:
    """Make aiokafka's fetcher keep the response bytes. Idempotent; other consumers do not notice."""
    fetcher_module.MemoryRecords = RawRecords


def drain(fetcher: Any, wanted: Callable[[TopicPartition], bool]) -> dict[TopicPartition, RecordBatches]:
    """What the fetcher holds for the `wanted` partitions, as raw batches; positions move past them.

    Raises an error that the fetcher holds for a wanted partition, once there is no data before it. Call it
    inside the fetcher's event loop and `fetch_context()`.
    """
    taken: dict[TopicPartition, RecordBatches] = {}
    if fetcher._subscriptions.reassignment_in_progress:
        return taken
    for tp in list(fetcher._records):
        result = fetcher._records[tp]
        failed = type(result) is not fetcher_module.FetchResult
        if not wanted(tp) or (failed and taken):
            continue
        del fetcher._records[tp]
        fetcher._notify(fetcher._wait_consume_future)
        if failed:
            result.check_raise()
        if not result.check_assignment(tp):
            continue  # the position moved (a seek, a rebalance): these bytes are stale
        records = result._partition_records
        batches = RecordBatches.parse(
            tp.topic,
            tp.partition,
            records.next_fetch_offset,
            records._records.data,
            aborted=tuple(records._aborted_transactions),
        )
        records.next_fetch_offset = batches.next_offset
        result._update_position()
        taken[tp] = batches
    return taken


async def wait_for_data(fetcher: Any, timeout: float) -> bool:  # noqa: ASYNC109
    """Wait until a fetch response arrives or `timeout` seconds pass; True if one did."""
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout)
    if not done:
        waiter.cancel()
        return False
    waiter.result()
    return True


async def read_to_end(
    consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int
) -> AsyncIterator[RecordBatches]:
    """Raw batches of one manually assigned partition from `start` up to `end` (exclusive), in order."""
    fetcher = consumer._fetcher
    consumer.seek(tp, start)
    position = start
    while position < end:
        with fetcher._subscriptions.fetch_context():
            taken = drain(fetcher, lambda x: x == tp)
            if not taken:
                await wait_for_data(fetcher, 1.0)
        for batches in taken.values():
            position = batches.next_offset
            yield batches
