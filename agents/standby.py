"""Warm copies: a worker follows the changelogs of partitions that others own, so that taking over reads only the rest.

Owns the consumer that tails and which tables it feeds. Whose copies are kept where is the assignor's to say (Faust's
is sticky and gives a partition to one of its standbys first). A copy is state at some flush with that flush's marker,
like any other state folder: opening it restores what is missing. Nothing here writes to Kafka or Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from agents.task import Task
from headrace.errors import HeadraceError, UnavailableError
from tables.kafka.tail import ChangelogTail, Followed

log = logging.getLogger("headrace.standby")


@dataclass(frozen=True)
class Copy:
    """One table's copy: `lag` changelog records behind the end last seen."""

    table: str
    partition: int
    lag: int


class Standbys:
    """Follows what it is told to. `make(tp)` builds the (unopened) task of a partition; `pause(attempt)` sleeps
    before the changelogs are tried again.
    """

    def __init__(
        self,
        make: Callable[[TopicPartition], Task],
        tail: Callable[[], ChangelogTail],
        pause: Callable[[int], Awaitable[None]],
    ) -> None:
        self._make = make
        self._tail = tail
        self._pause = pause
        self._running: asyncio.Task[None] | None = None
        self._followed: Mapping[TopicPartition, Followed] = {}

    @property
    def copies(self) -> list[Copy]:
        """What is followed, in the tables' order."""
        found = [Copy(f.table.name, f.table.partition, f.lag) for f in self._followed.values()]
        return sorted(found, key=lambda c: (c.table, c.partition))

    async def stop(self) -> None:
        """Follow nothing more. When it returns nothing is being written: the copies may be opened."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
        self._followed = {}

    async def follow(self, partitions: Iterable[TopicPartition]) -> None:
        """Follow the tables of these partitions, and no others."""
        await self.stop()
        followed = self._tables(partitions)
        if followed:
            log.info("keeping warm copies of %d tables", len(followed))
            self._followed = followed
            self._running = asyncio.create_task(self._keep_following(followed), name="standbys")

    def _tables(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Followed]:
        out = {}
        for tp in sorted(partitions):
            task = self._make(tp)
            for view_id, table in [*task.tables.items(), *task.senders.items()]:
                try:
                    table.check()
                except HeadraceError as exc:
                    log.warning("%s: no copy is kept: %s", table.name, exc)
                    continue
                if table.changelog is not None:
                    at = TopicPartition(table.changelog, table.partition)
                    out[at] = Followed(table, task.view(view_id).core.timers_of)
        return out

    async def _keep_following(self, followed: dict[TopicPartition, Followed]) -> None:
        attempt = 0
        while followed:
            tail = self._tail()
            try:
                async for at, error in tail.follow(followed):
                    if error is None:
                        attempt = 0
                    else:  # this one cannot be a copy; whoever opens it says what to do
                        log.warning("no copy is kept of %s[%d]: %s", *at, error)
                        followed.pop(at)
            except UnavailableError as exc:
                attempt += 1
                log.warning("waiting: %s", exc)
            await self._pause(attempt)
