"""When positions are committed to Kafka, and when they must not be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from faust.types import TP
from mode import Service

from app.faust_app import faust_app
from app.kafka import Cluster
from app.transport.consumer import RawConsumer
from headrace.settings import KafkaSettings

THE = TP("clicks", 0)


class Flow:
    """An engine that has come as far as `position`."""

    raw_topics = frozenset({"clicks"})
    fetch_wait_ms = 100
    fetch_min_bytes = 1
    position = 5

    async def assigned(self, partitions: Iterable[TopicPartition], consumer: RawConsumer) -> Mapping[TP, int]:
        return {}

    async def durable(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition(*THE): self.position}

    async def revoked(self) -> None:
        pass


class Consumer(RawConsumer):
    """Without a consumer thread: one partition, and what would have been sent."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sent: list[int] = []

    def _new_consumer_thread(self) -> Any:
        return Service()

    def assignment(self) -> set[TP]:
        return {THE}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.sent += offsets.values()
        return True


async def test_nothing_is_committed_between_revocation_and_assignment(tmp_path: Path) -> None:
    app = faust_app("g", Cluster(KafkaSettings(), "real"), instance=None, datadir=str(tmp_path))
    app.flow = flow = Flow()

    async def nothing(*_: Any) -> None:
        pass

    async def revoked(_: set[TP]) -> None:
        flow.position = 6
        await consumer.force_commit()

    consumer: Any = Consumer(
        app.transport, callback=nothing, on_partitions_revoked=revoked, on_partitions_assigned=nothing
    )
    assert await consumer.force_commit()
    await consumer.on_partitions_revoked({THE})
    flow.position = 7
    assert not await consumer.force_commit()
    assert consumer.sent == [5, 6]
    await consumer.on_partitions_assigned({THE}, 2)
    assert await consumer.force_commit()
    assert consumer.sent == [5, 6, 7]
