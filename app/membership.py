"""Whether a group reads every partition that it should; what its assignment forgot is asked for.

Kafka gives a static member that starts again within its session what the one before it had, though it wants topics
now that were made since; and a leader leaves out a topic that its broker did not know yet. Nobody would read either,
and nothing would say so.
"""

from __future__ import annotations

import logging
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress

from app.faust_app import HeadraceApp
from headrace.errors import UnavailableError
from tables.kafka.topics import Topics

log = logging.getLogger("headrace")

EVERY = 1.0
"""Seconds between two looks; Kafka is asked once for each generation of the group."""

Partitions = Set[tuple[str, int]]


class Membership:
    """`wanted`: topics, and how many partitions each has. `assigned()`: those that any member has, or None while they
    are shared out; `generation()`: the group's; `rejoin()`: join again, so that they are shared out anew.
    """

    def __init__(
        self,
        wanted: Mapping[str, int],
        *,
        assigned: Callable[[], Partitions | None],
        generation: Callable[[], int],
        rejoin: Callable[[], Awaitable[None]],
    ) -> None:
        self._wanted = {(topic, p) for topic, n in wanted.items() for p in range(n)}
        self._assigned = assigned
        self._generation = generation
        self._rejoin = rejoin
        self._whole: int | None = None  # the generation that is known to read everything
        self._asked = 0  # times in a row; each waits twice as many looks as the one before
        self._wait = 0

    async def look(self) -> None:
        """Ask for what nobody reads. UnavailableError if Kafka does not answer."""
        generation = self._generation()
        if generation == self._whole:
            return
        if self._wait > 0:
            self._wait -= 1
            return
        assigned = await to_thread(self._assigned)
        if assigned is None or generation != self._generation():
            return
        left = self._wanted - assigned
        if not left:
            self._whole, self._asked = generation, 0
            return
        log.warning("nobody reads %s: joining the group again", _told(left))
        self._asked += 1
        self._wait = 2**self._asked
        await self._rejoin()


def watch(app: HeadraceApp, group: str, wanted: Mapping[str, int], topics: Topics) -> None:
    """Have `app` look while it runs. The embedded broker, which has one worker, tells nothing of groups."""
    if topics.embedded:
        return
    membership = Membership(
        wanted,
        assigned=lambda: topics.assigned(group),
        generation=lambda: int(app.consumer_generation_id),
        rejoin=lambda: app.consumer.join_again(),
    )

    @app.task
    async def membership_timer() -> None:
        while not app.should_stop:
            await app.sleep(EVERY)
            if not app.should_stop and not app.rebalancing:
                with suppress(UnavailableError):
                    await membership.look()


def _told(partitions: Partitions) -> str:
    names = [f"{topic}[{partition}]" for topic, partition in sorted(partitions)]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
