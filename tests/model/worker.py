"""A worker of the model: the engine as `app.features` builds it, on doubles of what is outside.

In place of Faust: fetched batches wait in a queue, as in a channel, and one agent takes them; the group tells it what
it owns, or does not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition

from agents.compute import Computer
from agents.engine import Engine, Pace
from agents.metrics import WorkerMetrics
from agents.opening import Opener
from agents.persist import Persister
from agents.repartitions import drop_counted
from agents.stages import source_stages
from app.features import _maker, declare
from headrace.errors import UnavailableError
from headrace.online.write import OnlineWriter
from headrace.project import Project
from headrace.settings import Settings
from headrace.topics import dead_letter_topic
from headrace.wire import RecordBatches
from tables.kafka.changelog import ChangelogReader
from tables.store import StateStore
from tests.model import definitions
from tests.model.clients import MemoryTopics
from tests.model.disk import Disk
from tests.model.kafka import Broker
from tests.model.loop import TurnLock
from tests.model.process import CURRENT, Process
from tests.model.redis import Address, Server

SETTINGS = Settings(project=definitions.NAME)


class Folder:
    """In place of the path of a state folder: `disk` is what is in it, `process` opens it."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self.disk = disk
        self.process = process

    def mkdir(self, **options: Any) -> None:
        pass

    def __truediv__(self, name: str) -> Path:
        return Path("/nowhere") / name  # a restore of the model is too small for files of its own


class Worker:
    """`wall()`: its clock in us. `owned`: what it believes to own; `member`: whether the group knows it."""

    def __init__(
        self,
        process: Process,
        slot: int,
        disk: Disk,
        project: Project,
        broker: Broker,
        server: Server,
        wall: Any,
    ) -> None:
        self.process, self.slot, self.disk, self.project = process, slot, disk, project
        self.member = False
        self.owned: set[TopicPartition] = set()
        self.stopped: BaseException | None = None
        self.generation = 0
        self.positions: dict[TopicPartition, int] = {}
        self.queue: deque[tuple[int, RecordBatches]] = deque()
        self._broker = broker
        self._running: dict[str, asyncio.Task[Any]] = {}
        token = CURRENT.set(process)
        try:
            self._build(project, server, wall)
        finally:
            CURRENT.reset(token)

    def _build(self, project: Project, server: Server, wall: Any) -> None:
        name, process = definitions.NAME, self.process
        sources = source_stages(project, name, clock="wall", resolve=None)
        self.topics = MemoryTopics(process, self._broker)
        known = declare(sources, self.topics, SETTINGS, name)
        self.store = StateStore(cast(Path, Folder(self.disk, process)), name, changelogged=True)
        self.online = OnlineWriter("redis://127.0.0.1:1")
        self.online.address = cast(Any, Address(process, server))
        self.online._lock = cast(Any, TurnLock(process.loop))
        options = {"process": process, "broker": self._broker}
        cluster = cast(Any, SimpleNamespace(embedded=False, aiokafka=lambda: options))

        async def crash(error: BaseException) -> None:
            self.stopped = self.stopped or error

        async def pause(what: str, attempt: int) -> None:
            await asyncio.sleep(1.0)

        metrics = WorkerMetrics()
        persister = Persister(
            name,
            self.store,
            self.online,
            fenced=True,
            hash_tag=False,
            now=wall,
            lost=lambda task, error: self.engine.lost(task, error),
            pause=pause,
            failpoint=lambda step: None,
            metrics=metrics,
        )
        repartitions = {
            v.repartition: definitions.PARTITIONS for s in sources for v in s.shuffled if v.repartition
        }
        self.engine = Engine(
            make=_maker(sources, self.store, SETTINGS, cluster, known, name),
            opener=Opener(self.store, self.topics, ChangelogReader(options), lambda what, done, of: None),
            computer=Computer("wall", dead_letter_topic(name), repartitions),
            persister=persister,
            pace=Pace(),
            now=wall,
            metrics=metrics,
            crash=crash,
        )

    # -- what the group and Faust do with it

    @property
    def busy(self) -> bool:
        """A rebalance is not through: it waits for a call that is held."""
        return self._waits("revoke") or self._waits("assign")

    def revoke(self, *, flushed: bool = True) -> None:
        """Flush, then park; not `flushed`: another flush was cut between the two."""

        async def revoked() -> None:
            if flushed:
                await self.engine.checkpoint()
            await self.engine.park()

        self._start("revoke", revoked())

    def assign(self, owned: Iterable[TopicPartition], generation: int) -> None:
        async def seek(tp: TopicPartition, offset: int) -> None:
            self.positions[tp] = offset

        async def assigned() -> None:
            ready = await self.engine.assigned(self.owned, seek)
            self.positions |= {tp: self.engine.tasks[tp].taken for tp in ready}

        self.owned, self.generation = set(owned), generation
        self.queue.clear()
        self.positions.clear()
        self._start("assign", assigned())

    def fetch(self, batches: int) -> None:
        """Take at most so many record batches of each partition that is open."""
        for tp, position in self.positions.items():
            log = self._broker.log(tp)
            position = max(position, log.start)  # out of range: Faust resets to the earliest
            data, aborted = log.read(position, batches)
            if data:
                fetched = RecordBatches.parse(tp.topic, tp.partition, position, data, aborted=aborted)
                self.queue.append((self.generation, fetched))
                self.positions[tp] = fetched.next_offset

    def deliver(self) -> None:
        """The agent takes what waits in its channel."""

        async def agent() -> None:
            while self.queue:
                generation, fetched = self.queue.popleft()
                if generation == self.generation:
                    await self.engine.add(fetched)

        self._start("agent", agent())

    def flush(self) -> None:
        self._start("flush", self.engine.flush())

    def keep_house(self) -> None:
        async def housekeeping() -> None:
            try:
                await self.engine.watch_log(self.topics)
                await drop_counted(self.engine.tasks.values(), self.topics)
                await self.engine.watch_online()
            except UnavailableError:
                pass

        self._start("housekeeping", housekeeping())

    def stop(self) -> None:
        """SIGTERM: flush, then close."""
        self._start("stop", self.engine.close())

    @property
    def has_stopped(self) -> bool:
        return "stop" in self._running and self._running["stop"].done()

    def _waits(self, what: str) -> bool:
        return what in self._running and not self._running[what].done()

    def _start(self, what: str, work: Any) -> None:
        """One of a kind at a time; an error of it stops the worker, as it does in the service."""
        if self._waits(what):
            work.close()
            return

        async def run() -> None:
            try:
                await work
            except Exception as exc:
                self.stopped = self.stopped or exc

        self._running[what] = self.process.start(run(), what)
