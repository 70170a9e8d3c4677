"""Following changelog partitions that somebody else writes, as far as they are committed.

Owns the consumer. What a fetch becomes in RocksDB is `changelog`'s; who follows what, and when not to, is the
caller's: a table that is followed here must not be open for anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.errors import HeadraceError, UnavailableError
from tables.kafka.changelog import Restored, TimersOf, apply, beginning, to_the_end
from tables.kafka.raw import drain, wait_for_data
from tables.table import TablePartition


@dataclass
class Followed:
    """A table that is followed, and how many changelog records it is behind."""

    table: TablePartition
    timers_of: TimersOf
    lag: int = 0


class ChangelogTail:
    """One read_committed consumer over many changelog partitions."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._consumer = AIOKafkaConsumer(
            **options,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 << 20,
            fetch_max_bytes=32 << 20,
            fetch_max_wait_ms=500,
        )

    async def follow(
        self, followed: Mapping[TopicPartition, Followed]
    ) -> AsyncIterator[tuple[TopicPartition, HeadraceError | None]]:
        """Apply what is committed, for ever; yields each partition after a fetch of it was applied, or with the
        error for which it is followed no longer.

        `followed` may lose partitions meanwhile. Raises UnavailableError if Kafka does not answer.
        """
        consumer = self._consumer
        try:
            await consumer.start()
            restored: dict[TopicPartition, Restored] = {}
            begins = await consumer.beginning_offsets(list(followed))
            ends = await consumer.end_offsets(list(followed))
            consumer.assign(list(followed))
            for tp, f in list(followed.items()):
                try:
                    start = beginning(f.table, tp, begins[tp], ends[tp])
                except HeadraceError as exc:
                    consumer.pause(tp)
                    yield tp, exc
                    continue
                restored[tp] = Restored(f.table.marker, start)
                f.lag = max(ends[tp] - start, 0)
                consumer.seek(tp, start)
            fetcher = consumer._fetcher
            while True:
                with fetcher._subscriptions.fetch_context():
                    taken = drain(fetcher, lambda tp: tp in restored)
                    if not taken:
                        await wait_for_data(fetcher, 1.0)
                for tp, batches in taken.items():
                    f = followed[tp]
                    await to_the_end(asyncio.to_thread(apply, f.table, batches, f.timers_of, restored[tp]))
                    f.lag = max((consumer.highwater(tp) or 0) - batches.next_offset, 0)
                    yield tp, None
        except (kafka_errors.KafkaError, OSError) as exc:
            raise UnavailableError(f"changelogs cannot be followed: {exc!r}") from exc
        finally:
            await consumer.stop()
