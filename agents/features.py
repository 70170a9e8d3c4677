"""The features flow: source topics and repartition topics into state and Redis, through one engine.

Glue between Faust's assignment, events and commits on one side and the engine on the other.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from aiokafka import TopicPartition

from agents.engine import Engine
from agents.standby import Standbys
from headrace.wire import RecordBatches

log = logging.getLogger("headrace.features")


class Consumer(Protocol):
    """What the flow asks of the transport."""

    async def release(self, tp: Any, offset: int) -> None: ...


class FeaturesFlow:
    """Implements the transport's `Flow` for an engine. `settling()`: a rebalance or a stop is under way.

    `assigned_standbys()`: the partitions of which the current assignment wants warm copies here.
    """

    def __init__(
        self,
        engine: Engine,
        raw_topics: Iterable[str],
        settling: Callable[[], bool],
        *,
        standbys: Standbys | None = None,
        assigned_standbys: Callable[[], Iterable[TopicPartition]] = tuple,
        fetch_wait_ms: int = 20,
        fetch_min_bytes: int = 65536,
    ) -> None:
        self.engine = engine
        self.raw_topics = frozenset(raw_topics)
        self.fetch_wait_ms = fetch_wait_ms
        self.fetch_min_bytes = fetch_min_bytes
        self._settling = settling
        self._standbys = standbys
        self._assigned_standbys = assigned_standbys

    async def assigned(self, partitions: Iterable[TopicPartition], consumer: Consumer) -> Mapping[Any, int]:
        async def seek(tp: TopicPartition, offset: int) -> None:
            await consumer.release(tp, offset)

        given = set(partitions)
        if self._standbys is not None:
            await self._standbys.stop()  # a copy that is opened now is written by nobody else
        ready = await self.engine.assigned(given, seek)
        if self._standbys is not None:
            await self._standbys.follow(set(self._assigned_standbys()) - given)
        return {tp: self.engine.tasks[tp].taken for tp in ready}

    async def durable(self) -> Mapping[TopicPartition, int]:
        if self._settling():
            await self.engine.checkpoint()
        return self.engine.committable()

    async def revoked(self) -> None:
        await self.engine.park()


def agent_of(
    add: Callable[[RecordBatches], Awaitable[None]],
    generation: Callable[[], int],
    forget: Callable[[Any], None],
    crash: Callable[[BaseException], Awaitable[None]],
) -> Callable[[Any], Awaitable[None]]:
    """The Faust agent that hands fetched partitions to `add`.

    `generation()`: the group's current generation; an event of an earlier one can still arrive (the
    conductor's cancelled put goes through) and is dropped. `forget(message)`: take it out of Faust's acks.
    """

    async def features(stream: Any) -> None:
        events: AsyncIterator[Any] = stream.noack().events()
        async for event in events:
            message = event.message
            forget(message)
            if message.generation_id != generation():
                continue
            try:
                await add(event.value)
            except Exception as exc:
                await crash(exc)
                raise

    return features
