"""Everything that can happen, as plain calls: each ends when nothing can go on, and then checks what must hold.

Owns the workers, the outer systems, the group and the time; `recover` and `wrong` are the end of every story: all
is released, workers come back, and the features must be those of a recomputation from the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import aiokafka.errors as kafka_errors
from aiokafka import TopicPartition

from headrace.online import resp
from headrace.wire import Record, batch_bytes
from tests.model import definitions, expected
from tests.model.clients import ChangelogConsumer, Producer
from tests.model.disk import Disk, MemoryDb, RecordedBatch
from tests.model.kafka import Broker
from tests.model.laws import Laws
from tests.model.loop import StillLoop
from tests.model.process import CURRENT, KilledError, Process, Trap
from tests.model.redis import Server, Value
from tests.model.worker import Worker

SECOND = 1_000_000
BEGIN = 1_750_000_000 * SECOND
SLOTS = 3


@dataclass(frozen=True)
class Click:
    """An event as it was sent; `bad` ones are dead letters. `t` in us."""

    partition: int
    offset: int
    user: str | None
    shop: str | None
    t: int
    n: int
    bad: bool


class World:
    """Use it inside `doubles()`."""

    def __init__(self) -> None:
        self.loop = StillLoop(_holds)
        self.loop.set_task_factory(_task)
        self.loop.set_exception_handler(self._unhandled)
        self.wall = BEGIN
        self.skew = [0] * SLOTS
        self.clicks: list[Click] = []
        self.disks = [Disk() for _ in range(SLOTS)]
        self.workers: list[Worker] = []
        self.project = definitions.FIRST
        self.wire: list[Callable[[], Any]] = []
        self.replica: dict[bytes, Value] = {}
        self.laws = Laws(self)
        self.broker = Broker(self.laws.committed)
        self.redis = Server(self.laws.written)
        self.broker.create(definitions.TOPIC, definitions.PARTITIONS)
        self._generation = 0
        self._furthest = BEGIN  # the latest that any event or clock has said

    # -- events and time

    def produce(self, events: Iterable[tuple[str | None, str | None, int | None, int]]) -> None:
        """Events of (user, shop, seconds from now, n); without a time, or without user and shop, they are dead."""
        parts: dict[int, list[tuple[Any, ...]]] = {}
        for event in events:
            parts.setdefault(ord(event[0] or event[1] or "a") % definitions.PARTITIONS, []).append(event)
        for partition, mine in parts.items():
            records, base = [], self.broker.log((definitions.TOPIC, partition)).end
            for i, (user, shop, ahead, n) in enumerate(mine):
                t = None if ahead is None else self.wall + ahead * SECOND
                self._furthest = max(self._furthest, t or 0)
                at = None if t is None else t // 1000
                value = json.dumps({"user": user, "shop": shop, "at": at, "n": n}).encode()
                records.append(Record(value, None if user is None else user.encode(), self.wall // 1000))
                bad = t is None or (user is None and shop is None)
                self.clicks.append(Click(partition, base + i, user, shop, t or 0, n, bad))
            self.broker.produce(definitions.TOPIC, partition, batch_bytes(records))
        self._after()

    def advance(self, seconds: int) -> None:
        """Time passes: for the walls of the workers, and for their pauses."""
        self.wall += seconds * SECOND
        self._furthest = max(self._furthest, self.wall + max(self.skew))
        self.loop.advance(seconds)
        self._after()

    def jump(self, slot: int, seconds: int) -> None:
        """The clock of a machine is set."""
        self.skew[slot] = seconds * SECOND
        self._furthest = max(self._furthest, self.wall + self.skew[slot])

    # -- workers

    def start(self, slot: int) -> Worker:
        """A worker on a machine that has none; the group takes it in at the next rebalance."""
        assert all(w.slot != slot for w in self.workers)
        process = Process(f"worker {slot}", self.loop)
        disk = self.disks[slot]

        def wall() -> int:
            return self.wall + self.skew[slot]

        worker = Worker(process, slot, disk, self.project, self.broker, self.redis, wall)
        self.workers.append(worker)
        return worker

    def worker(self, slot: int) -> Worker:
        return next(w for w in self.workers if w.slot == slot)

    def fetch(self, worker: Worker, batches: int = 10) -> None:
        worker.fetch(batches)
        worker.deliver()
        self._after()

    def fetch_only(self, worker: Worker, batches: int = 10) -> None:
        """What is fetched stays in the channel."""
        worker.fetch(batches)

    def flush(self, worker: Worker) -> None:
        worker.flush()
        self._after()

    def keep_house(self, worker: Worker) -> None:
        worker.keep_house()
        self._after()

    def hold(self, worker: Worker, step: str, when: str = "before", nth: int = 1) -> None:
        """The nth next call of a step will hang."""
        worker.process.traps.append(Trap(step, when, nth))

    def release(self, worker: Worker) -> None:
        worker.process.traps.clear()
        worker.process.release()
        self._after()

    def fail(self, worker: Worker) -> None:
        """Calls that hang end in an error: done or not, the worker cannot know."""
        worker.process.traps.clear()
        step = worker.process.held[0].step.split(".")[0] if worker.process.held else ""
        errors = {"kafka": kafka_errors.KafkaTimeoutError(), "redis": TimeoutError("silence")}
        if step in errors:
            worker.process.release(errors[step])
        else:
            worker.process.release()
        self._after()

    def kill(self, worker: Worker, lost: int = 0, wipe: bool = False) -> None:
        """`kill -9`; of the local writes the last `lost` were not on the disk, or all of it is gone."""
        self.workers.remove(worker)
        self.wire += worker.process.kill()
        worker.disk.crash(min(lost, worker.disk.unsure))
        if wipe:
            self.disks[worker.slot] = Disk()
        self._after()

    def arrive(self) -> None:
        """A request that a dead process had sent arrives now."""
        effect = self.wire.pop(0)
        with suppress(kafka_errors.KafkaError, OSError, KilledError):
            effect()
        self._after()

    def stop(self, worker: Worker) -> None:
        """SIGTERM. It leaves the group; if a call hangs, it does so without having ended."""
        worker.stop()
        self.loop.settle()
        if worker.has_stopped:
            worker.store.close()
            self.workers.remove(worker)
            worker.process.kill()
        self._after()

    # -- the group

    def rebalance(self, members: Sequence[Worker], spread: int = 0, *, flushed: bool = True) -> None:
        """These join. Who does not answer is left out and does not know: it goes on with what it had.

        Not `flushed`: the flush that is under way was cut after the one that each makes before it joins.
        """
        members = [w for w in members if not w.busy]
        for worker in self.workers:
            worker.member = False
        for worker in members:
            worker.revoke(flushed=flushed)
        self.loop.settle()
        joined = [w for w in members if not w.busy and w.stopped is None]
        self._generation += 1
        shares: dict[int, list[TopicPartition]] = {i: [] for i in range(len(joined))}
        for i, tp in enumerate(self.partitions()):
            if joined:
                shares[(i + spread) % len(joined)].append(tp)
        for i, worker in enumerate(joined):
            worker.member = True
            worker.assign(shares[i], self._generation)
        self._after()

    def partitions(self) -> list[TopicPartition]:
        consumed = [
            definitions.TOPIC,
            *(t for t in sorted(self.broker.topics) if ".repartition." in t and ".sent." not in t),
        ]
        return [TopicPartition(t, p) for t in consumed for p in range(definitions.PARTITIONS)]

    # -- Redis and Kafka

    def flush_redis(self) -> None:
        """FLUSHALL."""
        self.redis.lose({})
        self._after()

    def copy_redis(self) -> None:
        """A replica, or a snapshot on disk, has come this far."""
        self.replica = self.redis.copy()

    def fail_over(self) -> None:
        """The server is gone; another one, which lagged, or the same from its snapshot, stands in its place."""
        self.redis.restart(self.replica)
        self.replica = self.redis.copy()
        self.laws.forget()
        self._after()

    def time_out_transactions(self) -> None:
        self.broker.time_out()
        self._after()

    def resend(self) -> None:
        """The last repartition records come once more, as from a sender without transactions."""
        self.laws.resending = True
        for tp in self.partitions():
            records = self.broker.log(tp).committed
            if tp.topic != definitions.TOPIC and records:
                _, key, value = records[-1]
                self.broker.produce(tp.topic, tp.partition, batch_bytes([Record(value, key)]))
        self.laws.resending = False
        self._after()

    def add_view(self) -> None:
        """Workers that are started from now on have another view."""
        self.project = definitions.ALL

    # -- the end

    def recover(self) -> None:
        """Everything answers, clocks are right, every worker has the newest definitions and is in the group."""
        for worker in list(self.workers):
            self.release(worker)
            if worker.process.held:
                self.release(worker)
        self.skew = [0] * SLOTS
        self.wall = max(self.wall, self._furthest)
        if not self.workers:
            self.start(0)
        self._join()
        for worker in [w for w in self.workers if w.project is not self.project]:
            self.stop(worker)
            self.start(worker.slot)
        self._join()
        self.settle()

    def _join(self) -> None:
        for _ in range(10):
            self.rebalance(self.workers)
            if all(w.member for w in self.workers):
                break
            self.loop.advance(6.0)  # who was left out had a call to try again

    def settle(self) -> None:
        """Until there is nothing to do."""
        quiet = 0
        for _ in range(40):
            before = self._progress()
            for worker in list(self.workers):
                worker.fetch(10)
                worker.deliver()
                self.loop.settle()
                worker.flush()
                self.loop.settle()
                worker.keep_house()
            self.loop.advance(6.0)
            self._after()
            quiet = (
                quiet + 1 if self._progress() == before and all(w.engine.idle for w in self.workers) else 0
            )
            if quiet == 2:
                return
        raise AssertionError("the workers do not come to rest")

    def _progress(self) -> Any:
        sweeps = [[t.sweeps, t.republish] for w in self.workers for t in w.engine.tasks.values()]
        return sum(len(log.committed) for logs in self.broker.topics.values() for log in logs), str(sweeps)

    def end(self) -> None:
        """Recover; then everything is right, now and after time has passed in which nothing came."""
        self.recover()
        assert expected.wrong(self) == []
        self.wall += 60 * SECOND
        self.settle()
        assert expected.wrong(self) == []

    # -- inside

    def _after(self) -> None:
        self.loop.settle()
        for worker in list(self.workers):
            if worker.stopped is not None:
                self.laws.stopped(worker)
                self.kill(worker)
        self.laws.check()

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, KilledError):
            self.laws.broken.append(f"{context['message']}: {error!r}")

    def close(self) -> None:
        for worker in list(self.workers):
            self.workers.remove(worker)
            worker.process.kill()
        self.loop.close()


def _task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    process = CURRENT.get()
    if process is not None:
        if not process.alive:
            task.cancel()
        process.tasks = [t for t in process.tasks if not t.done()]
        process.tasks.append(task)
    return task


def _holds() -> bool:
    """Whether thread work of the process that asks may be held."""
    process = CURRENT.get()
    return process is not None and bool(process.traps or process.held)


@contextmanager
def doubles() -> Iterator[None]:
    """Put the doubles where the outer libraries are; small batches, so that a flush goes in several."""
    with (
        patch.object(logging.getLogger("headrace.engine"), "disabled", True),
        patch("tables.store._open", lambda path, options, beside: MemoryDb(path.disk, path.process)),
        patch("tables.store.WriteBatch", RecordedBatch),
        patch("tables.kafka.producer.AIOKafkaProducer", Producer),
        patch("tables.kafka.changelog.AIOKafkaConsumer", ChangelogConsumer),
        patch("tables.kafka.outputs.BATCH_BYTES", 300),
        patch.dict(resp.encode_parts.__kwdefaults__, chunk_keys=1),
    ):
        yield


@contextmanager
def world() -> Iterator[World]:
    """A world with its doubles, ended at the end."""
    with doubles():
        made = World()
        try:
            yield made
        finally:
            made.close()
