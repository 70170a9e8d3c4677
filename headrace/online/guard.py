"""The fence: how a partition's owner writes to Redis and a former owner no longer can.

A fence key holds the epoch of a partition's owner. A write is ``WATCH fence``, ``GET fence``, and once the
epoch is seen to be ours, ``MULTI`` ... ``EXEC``: whatever touches the fence in between, a new owner above all,
makes EXEC write nothing. (A script inside MULTI could not stop what follows it.) Behind the epoch stands how far
the writes have come, set with the last of a flush: a server that lost writes and kept the fence (a replica that
lagged, an old dump) has a number that is too low. Owns these commands and what a fence's value means; refuses to
hold connections (`write`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.errors import FencedError, OnlineLostError, StateError
from headrace.online.connection import Connection, Reply, ReplyError, command
from headrace.online.resp import Chunk

MULTI = command(b"MULTI")
EXEC = command(b"EXEC")


@dataclass(frozen=True)
class Fence:
    """What a fence says: the owner's epoch, the last flush that is wholly in Redis (None: not counted), and
    whether a sweep over all entities is owed, since writes before that flush were lost. Its text is ``7``,
    ``7:120`` or ``7:120:s``.
    """

    epoch: int
    flush: int | None = None
    sweep: bool = False

    @property
    def text(self) -> bytes:
        flush = b"" if self.flush is None else b":%d" % self.flush
        return b"%d%b%b" % (self.epoch, flush, b":s" if self.sweep else b"")

    def lost(self, required: int) -> bool:
        """Whether this server may lack something up to flush `required`."""
        return self.sweep or self.flush is None or self.flush < required


@dataclass(frozen=True)
class Batch:
    """Chunks to be written under one fence by the owner of `epoch`; unguarded if `fence_key` is None.

    `after`: the flush that this server must have; `then`: what the fence says once all chunks are written. None:
    flushes are not counted.
    """

    fence_key: str | None
    epoch: int
    chunks: Sequence[Chunk]
    after: int | None = None
    then: Fence | None = None


def look(fence_key: str) -> bytes:
    """WATCH and GET, in one go; `seen` reads their replies."""
    key = fence_key.encode()
    return command(b"WATCH", key) + command(b"GET", key)


_TEXT = re.compile(rb"(\d{1,19})(?::(\d{1,19}))?(:s)?")


def seen(connection: Connection, fence_key: str) -> Fence | None:
    """The fence, from the replies to `look`; None if it does not exist."""
    watched, value = connection.read(), connection.read()
    for reply in (watched, value):
        if isinstance(reply, ReplyError):
            raise connection.as_error(reply)
    if value is None:
        return None
    found = _TEXT.fullmatch(value) if isinstance(value, bytes) else None
    if found is not None:
        flush = None if found[2] is None else int(found[2])
        return Fence(int(found[1]), flush, found[3] is not None)
    raise StateError(
        f"the fence {fence_key} at {connection.address} holds {_short(value)}, not an epoch. Delete it"
    )


def require(connection: Connection, fence_key: str, epoch: int, after: int | None = None) -> Fence:
    """Reads the replies to `look`. Raises FencedError or OnlineLostError unless the fence holds our epoch and,
    with `after`, that flush or a later one.
    """
    current = seen(connection, fence_key)
    if current is not None and current.epoch > epoch:
        raise fenced(fence_key, epoch, current.epoch)
    if current is None:
        found = f"is gone, expected {epoch}"
    elif current.epoch < epoch:
        found = f"fell back to {current.epoch}, expected {epoch}"
    elif after is not None and (current.flush is None or current.flush < after):
        found = f"is at flush {current.flush}, expected {after}"
    else:
        return current
    raise OnlineLostError(
        f"Redis at {connection.address} lost what was written: the fence {fence_key} {found}."
        " Claim it again and write the partition's keys again",
        fence_key=fence_key,
    )


def setting(fence_key: str, fence: Fence) -> bytes:
    """The command that makes the fence say this."""
    return command(b"SET", fence_key.encode(), fence.text)


def put(connection: Connection, fence_key: str, fence: Fence) -> bool:
    """Sets the fence if nothing touched it since `look`; whether it did.

    Also when it said that already: the touch makes void whatever an older connection of ours still has on its
    way.
    """
    connection.send(MULTI, setting(fence_key, fence), EXEC)
    replies = [connection.read() for _ in range(3)]
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise connection.as_error(reply)
    return replies[-1] is not None


def fenced(fence_key: str, epoch: int, current: int) -> FencedError:
    return FencedError(
        f"epoch {epoch} no longer owns {fence_key}: epoch {current} does. Stop writing for this partition",
        fence_key=fence_key,
    )


def _short(value: Reply) -> str:
    return f"{value!r:.60}"
