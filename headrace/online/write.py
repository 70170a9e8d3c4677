"""The writer of the online store: chunks of commands into Redis, each of them wholly or not at all, under a
fence.

Owns the connections and the order on them. Refuses to build commands (`resp`), to decide who owns a
partition, and to retry: its errors say what a caller has to do. It is synchronous, for a worker thread;
socket calls release the GIL.

Connections take turns, so that one is executing while the others wait for their fence; there are as many as a small
flush has partitions, usually. On one connection the next chunk's WATCH and GET travel behind this chunk's EXEC: one
round trip a chunk.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from headrace.errors import OnlineLostError, UnavailableError
from headrace.online import guard, restore
from headrace.online.address import parse_address
from headrace.online.connection import Connection, ReplyError
from headrace.online.guard import Batch, Fence
from headrace.online.resp import Chunk

log = logging.getLogger("headrace.online")

_DISTURBANCES = 20
"""How often a fence may be touched without being moved before a write gives up."""


class _Task(NamedTuple):
    fence_key: str | None
    epoch: int
    after: int | None
    payload: bytes | memoryview
    replies: int


class OnlineWriter:
    """Writes chunks to one Redis server. Calls from several threads take turns.

    `timeout`: seconds of silence after which the server counts as unavailable. The server's run id is part of
    a claim: a restarted server, or another one at the same address, may have lost writes although the fence
    is there, so a write after it raises OnlineLostError until the fence is claimed again.
    """

    def __init__(self, url: str, *, connections: int = 4, timeout: float = 10.0) -> None:
        self.address = parse_address(url)
        self._timeout = timeout
        self._size = max(1, connections)
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        self._claims: dict[str | None, str] = {}
        self._unsettled: set[str | None] = set()
        self._clients: list[int] = []
        self._tried: str | None = None
        self.restores = False
        """Whether the server takes whole hashes (`restore`); known once something was claimed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; a later call opens them again."""
        with self._lock:
            self._drop()

    def connect(self) -> None:
        """Opens the connections if they are not. Raises UnavailableError, or SettingsError for a refused
        login.
        """
        with self._lock, _Failures(self):
            self._open()

    def claim(
        self,
        fence_key: str | None,
        epoch: int,
        *,
        flush: int | None = None,
        required: int | None = None,
        lost: bool = False,
    ) -> bool:
        """Sets the fence to `epoch` and makes void every write under it that is still on its way.

        `flush`: the last flush that Redis will have once the caller has written what it still owes; `required`:
        the flush that it must have by now. Returns whether it lacks something of that, or `lost` says so: then
        every key of the partition has to be written again, which the fence says until a `Batch.then` takes it
        back. Raises FencedError if the fence holds a larger epoch; it is then left as it is. With None as the
        fence, for writing without one, only the server is noted.
        """
        with self._lock, _Failures(self):
            first = self._open()[0]
            if fence_key is not None:

                def then(before: Fence | None) -> Fence:
                    if before is not None and before.epoch > epoch:
                        raise guard.fenced(fence_key, epoch, before.epoch)
                    owed = lost or (required is not None and (before is None or before.lost(required)))
                    return Fence(epoch, flush, owed)

                lost = self._touch(first, fence_key, then).sweep
            self._settle(fence_key)
            self._claims[fence_key] = first.run_id
            if self._tried != first.run_id:
                self._tried, self.restores = (
                    first.run_id,
                    restore.takes(first, f"{fence_key or ''}:_restores"),
                )
            return lost

    def check(self, fence_key: str | None, epoch: int, after: int | None = None) -> None:
        """Writes nothing; raises what a write under this fence would raise now."""
        with self._lock, _Failures(self):
            first = self._open()[0]
            self._require_same_server(fence_key, first)
            if fence_key is not None:
                first.send(guard.look(fence_key))
                guard.require(first, fence_key, epoch, after)
                first.call(b"UNWATCH")

    def write(self, fence_key: str | None, epoch: int, chunks: Sequence[Chunk]) -> None:
        """`write_all` of one batch."""
        self.write_all([Batch(fence_key, epoch, chunks)])

    def write_all(self, batches: Sequence[Batch]) -> None:
        """Writes every chunk of every batch; returns when all are acknowledged.

        A key may stand in one chunk only; the order of chunks is not kept. On an exception some chunks may
        have been written: as commands are absolute, writing all of them again is right. Raises FencedError
        (somebody else owns the partition; the chunk at hand was not written), OnlineLostError (Redis may have
        lost earlier writes: claim, then write the partition's keys again), UnavailableError (try again
        later), SettingsError (a login refused), StateError (any other answer of the server, with its text).
        """
        with self._lock, _Failures(self) as failures:
            first = self._open()[0]
            for batch in batches:
                self._require_same_server(batch.fence_key, first)
                if batch.fence_key in self._unsettled:
                    if batch.fence_key is not None:
                        self._touch_again(first, batch)
                    self._settle(batch.fence_key)
            failures.unsettled = {b.fence_key for b in batches}
            for tasks in _steps(batches):
                for _ in range(_DISTURBANCES):
                    if not tasks:
                        break
                    tasks = self._round(iter(tasks))
                if tasks:
                    raise UnavailableError(
                        f"Redis at {self.address}: the fence {tasks[0].fence_key} is touched all the time"
                    )

    def _round(self, tasks: Iterator[_Task]) -> list[_Task]:
        """Every task once; those that wrote nothing because their fence was touched, though it may not have
        moved.
        """
        again: list[_Task] = []
        turns: deque[tuple[Connection, _Task | None, _Task | None]] = deque()
        for connection in self._connections:
            task = next(tasks, None)
            if task is not None:
                connection.send(_look(task))
                turns.append((connection, None, task))
        while turns:
            connection, sent, task = turns.popleft()
            if sent is not None and not connection.read_transaction(sent.replies):
                again.append(sent)
            if task is None:
                continue
            if task.fence_key is not None:
                guard.require(connection, task.fence_key, task.epoch, task.after)
            following = next(tasks, None)
            connection.send(guard.MULTI, task.payload, guard.EXEC, _look(following))
            turns.append((connection, task, following))
        return again

    def _touch(self, connection: Connection, fence_key: str, then: Callable[[Fence | None], Fence]) -> Fence:
        """Sets the fence to what `then` makes of what it says; returns that."""
        for _ in range(_DISTURBANCES):
            connection.send(guard.look(fence_key))
            fence = then(guard.seen(connection, fence_key))
            if guard.put(connection, fence_key, fence):
                return fence
        raise UnavailableError(f"Redis at {self.address}: the fence {fence_key} is touched all the time")

    def _touch_again(self, connection: Connection, batch: Batch) -> None:
        """Sets a fence of ours to what it says."""
        assert batch.fence_key is not None
        for _ in range(_DISTURBANCES):
            connection.send(guard.look(batch.fence_key))
            current = guard.require(connection, batch.fence_key, batch.epoch, batch.after)
            if guard.put(connection, batch.fence_key, current):
                return
        raise UnavailableError(
            f"Redis at {self.address}: the fence {batch.fence_key} is touched all the time"
        )

    def _settle(self, fence_key: str | None) -> None:
        """What an earlier, broken connection still had on its way can no longer take effect.

        A fence that was touched sees to that. Without one the server is told to forget those connections;
        where this user may not say so, a write that was overtaken could still come late.
        """
        if fence_key is None:
            for client in self._clients:
                self._connections[0].call(b"CLIENT", b"KILL", b"ID", b"%d" % client)
            self._clients.clear()
        self._unsettled.discard(fence_key)

    def _require_same_server(self, fence_key: str | None, connection: Connection) -> None:
        claimed = self._claims.setdefault(fence_key, connection.run_id)
        if claimed != connection.run_id:
            raise OnlineLostError(
                f"Redis at {self.address} is another server, or was restarted, since"
                f" {fence_key or 'the store'} was claimed: it may have lost writes."
                " Claim it again and write the partition's keys again",
                fence_key=fence_key,
            )

    def _open(self) -> list[Connection]:
        while len(self._connections) < self._size:
            self._connections.append(Connection(self.address, self._timeout))
        if len({c.run_id for c in self._connections}) > 1:
            raise UnavailableError(f"Redis at {self.address} was restarted while connecting")
        return self._connections

    def _drop(self) -> None:
        for connection in self._connections:
            if connection.client_id is not None:
                self._clients.append(connection.client_id)
            connection.close()
        self._connections = []
        del self._clients[: -4 * self._size]


class _Failures:
    """Closes the writer's connections on any exception, since replies may be outstanding on them, and names
    it.
    """

    def __init__(self, writer: OnlineWriter) -> None:
        self.writer = writer
        self.unsettled: set[str | None] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if exc is None:
            return
        self.writer._drop()
        self.writer._unsettled |= self.unsettled
        if isinstance(exc, OSError):
            raise UnavailableError(f"Redis at {self.writer.address}: {exc or type(exc).__name__}") from exc


def _steps(batches: Sequence[Batch]) -> Iterator[list[_Task]]:
    """What is written, and after that the fences of flushes that did not fit into one transaction."""
    first: list[_Task] = []
    closing: list[_Task] = []
    for b in batches:
        end = b"" if b.then is None or b.fence_key is None else guard.setting(b.fence_key, b.then)
        if end and len(b.chunks) == 1:
            chunk = b.chunks[0]
            first.append(_Task(b.fence_key, b.epoch, b.after, bytes(chunk.payload) + end, chunk.replies + 1))
            continue
        first += [_Task(b.fence_key, b.epoch, b.after, c.payload, c.replies) for c in b.chunks]
        if end:
            closing.append(_Task(b.fence_key, b.epoch, b.after, end, 1))
    yield first
    yield closing


def _look(task: _Task | None) -> bytes:
    return b"" if task is None or task.fence_key is None else guard.look(task.fence_key)


__all__ = ["Batch", "Fence", "OnlineWriter", "ReplyError"]
