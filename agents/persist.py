"""A flush, written: Kafka's transactions, then one RocksDB WriteBatch, then Redis. The caller commits last.

Local state never leads the changelog, Redis never leads local state. A task whose transaction failed drops
out of the flush; the others go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import polars as pl
from aiokafka import TopicPartition

from agents.flush import TaskFlush
from agents.metrics import WorkerMetrics
from agents.stages import ViewStage
from agents.task import Task
from headrace.errors import FencedError, HeadraceError, OnlineLostError, UnavailableError
from headrace.online.guard import Batch as OnlineBatch
from headrace.online.guard import Fence
from headrace.online.keys import KeySpace
from headrace.online.resp import Chunk, encode_parts
from headrace.online.write import OnlineWriter
from tables.kafka.producer import Span
from tables.store import Batch, StateStore
from tables.table import TablePartition

log = logging.getLogger("headrace.engine")


def span_of(table: TablePartition, spans: Mapping[TopicPartition, Span]) -> Span:
    """Where a table's part of a flush lies in its changelog; nowhere without one."""
    return Span(0, 0) if table.changelog is None else spans[TopicPartition(table.changelog, table.partition)]


Logged = tuple[TaskFlush, Mapping[TopicPartition, Span]]


class Persister:
    """Writes flushes, one at a time.

    `fenced`: whether Redis writes stand under a fence (not with the embedded broker, which has no fencing).
    `now()`: wall clock in us. `lost(task, error)` is called for a task that cannot write any more;
    `pause(what, attempt)` before a retry (it sleeps, growing); `failpoint(step)` after each step, for
    tests of crashes.
    """

    def __init__(
        self,
        project: str,
        store: StateStore,
        online: OnlineWriter,
        *,
        fenced: bool,
        hash_tag: bool,
        now: Callable[[], int],
        lost: Callable[[Task, HeadraceError], None],
        pause: Callable[[str, int], Awaitable[None]],
        failpoint: Callable[[str], None],
        metrics: WorkerMetrics,
    ) -> None:
        self._project = project
        self._store = store
        self._online = online
        self._fenced = fenced
        self._hash_tag = hash_tag
        self._now = now
        self._lost = lost
        self._pause = pause
        self._failpoint = failpoint
        self._metrics = metrics
        self._speaking = asyncio.Lock()  # what a fence is to say is decided and written as one

    async def __call__(self, flushes: Sequence[TaskFlush]) -> list[TaskFlush]:
        """Write what is still wanted of `flushes`; returns those that are in the log and in RocksDB."""
        current = [f for f in flushes if f.generation == f.task.generation]
        with self._metrics.stage("changelog"):
            logged, commands = await asyncio.gather(self._log(current), self._built(current))
        for flush in current:  # a copy of the state, not to be kept while the rest is written
            flush.outputs, flush.batches = {}, {}
        self._failpoint("after_changelog")
        with self._metrics.stage("rocksdb"):
            await asyncio.to_thread(self._store_all, logged)
        self._failpoint("after_rocksdb")
        done = [flush for flush, _ in logged]
        for flush in done:
            for table, changes in flush.changes:
                table.confirm(changes)
        with self._metrics.stage("online"):
            await self._emit([(flush, commands[flush]) for flush in done])
        self._failpoint("after_redis")
        return done

    async def _log(self, flushes: Sequence[TaskFlush]) -> list[Logged]:
        """Every task's transaction, side by side; those that failed are reported lost and left out."""

        async def one(flush: TaskFlush) -> Logged | None:
            if not flush.batches:
                return flush, {}
            try:
                return flush, await flush.task.producer.write(flush.batches)
            except (FencedError, UnavailableError) as exc:
                self._lost(flush.task, exc)
                return None

        return [done for done in await asyncio.gather(*map(one, flushes)) if done is not None]

    def _store_all(self, logged: Sequence[Logged]) -> None:
        batch = Batch()
        for flush, spans in logged:
            for table, changes in flush.changes:
                span = span_of(table, spans)
                table.stage(changes, batch, span.start, span.end)
        self._store.write(batch)

    # -- Redis

    async def _built(self, flushes: Sequence[TaskFlush]) -> Mapping[TaskFlush, Sequence[Chunk]]:
        """The commands of each flush for Redis: made while Kafka writes, which takes about as long."""
        if not any(flush.online for flush in flushes):
            return dict.fromkeys(flushes, ())
        return await asyncio.to_thread(self._commands, flushes)

    async def _emit(self, flushes: Sequence[tuple[TaskFlush, Sequence[Chunk]]]) -> None:
        """Write values however long it takes: they are absolute, so again is right. A lost task drops out."""
        batches = [b for b in flushes if b[0].online or b[0].asked > b[0].task.written or self._counted(b[0])]
        attempt = 0
        while batches := [b for b in batches if b[0].generation == b[0].task.generation]:
            by_fence = {self.fence(flush.task): flush.task for flush, _ in batches}
            try:
                async with self._speaking:
                    ready = [self._batch(flush, chunks) for flush, chunks in batches]
                    await asyncio.to_thread(self._online.write_all, ready)
                    for (flush, _), batch in zip(batches, ready, strict=True):
                        flush.task.written = max(flush.task.written, flush.asked)
                        if batch.then is not None and batch.then.flush is not None:
                            flush.task.shown = batch.then.flush
                return
            except FencedError as exc:
                self._lost(by_fence[exc.fence_key], exc)
            except OnlineLostError as exc:
                await self._lost_online(by_fence[exc.fence_key], exc)
            except UnavailableError as exc:
                attempt += 1
                await self._pause(str(exc), attempt)

    def _counted(self, flush: TaskFlush) -> bool:
        """Whether the fence says that this flush is in Redis: not without a fence, nor where nothing is written."""
        return self._fenced and bool(flush.task.tables and flush.changes)

    def _batch(self, flush: TaskFlush, chunks: Sequence[Chunk]) -> OnlineBatch:
        """A flush's commands under its fence; once they are written, the fence says so."""
        task = flush.task
        if not self._fenced:
            return OnlineBatch(None, task.epoch, chunks)
        number = flush.number if self._counted(flush) else task.shown
        owed = task.asked > max(task.written, flush.asked)
        return OnlineBatch(self.fence(task), task.epoch, chunks, task.shown, Fence(task.epoch, number, owed))

    async def watch(self, task: Task) -> None:
        """Write nothing under the task's fence: raises what a write would find, and mends it the same way."""
        try:
            async with self._speaking:
                await asyncio.to_thread(self._online.check, self.fence(task), task.epoch, task.shown)
        except FencedError as exc:
            self._lost(task, exc)
        except OnlineLostError as exc:
            await self._lost_online(task, exc)

    async def _lost_online(self, task: Task, error: OnlineLostError) -> None:
        """Redis lost what was written: every entity of the task is to be written again, by its owner.

        Who that is Redis cannot tell, since its fence is lost too: a former owner that claimed it would show values
        older than what was read before. Kafka can: the task is opened again, and claims with a new epoch.
        """
        task.lost_online = True
        if self._fenced:
            self._lost(task, error)
        else:
            async with self._speaking:
                await self.claim(task)

    def _commands(self, flushes: Sequence[TaskFlush]) -> Mapping[TaskFlush, Sequence[Chunk]]:
        """A view's columns are built once for all of its partitions."""
        written_at = pl.lit(self._now(), pl.Int64)
        chunks: dict[TaskFlush, list[Chunk]] = {flush: [] for flush in flushes}
        parts: dict[str, list[tuple[TaskFlush, ViewStage, pl.DataFrame]]] = {}
        for flush in flushes:
            for view, frame in flush.online:
                parts.setdefault(view.id, []).append((flush, view, frame))
        for found in parts.values():
            view = found[0][1]
            space = KeySpace(self._project, view.view.name, view.view.version, self._hash_tag)
            frames = [frame.with_columns(_written_at=written_at) for _, _, frame in found]
            made = encode_parts(frames, space, view.plan.feature_types, whole=self._online.restores)
            for (flush, _, _), mine in zip(found, made, strict=True):
                chunks[flush] += mine
        return chunks

    def fence(self, task: Task) -> str | None:
        """The key in Redis that holds the epoch of a task's owner."""
        return f"{self._project}:_fence:{task.tp.topic}:{task.tp.partition}" if self._fenced else None

    async def claim(self, task: Task) -> None:
        """Set the task's fence to its epoch, waiting for Redis. Raises FencedError if it holds a larger one.

        If Redis lacks a flush that it must have, or is known to have lost some, every entity is written again.
        """
        fence, shown, required, lost = self.fence(task), task.shown, task.required, task.lost_online
        attempt = 0
        while True:
            try:
                lost = await asyncio.to_thread(
                    partial(self._online.claim, fence, task.epoch, flush=shown, required=required, lost=lost)
                )
                break
            except UnavailableError as exc:
                attempt += 1
                await self._pause(str(exc), attempt)
        task.lost_online = False
        if lost:
            log.warning("%s: Redis lost what was written; every entity is written again", task.name)
            task.sweep_all()
