"""The fence: how a partition's owner writes to Redis and a former owner no longer can.

A fence key holds the epoch (a decimal integer) of a partition's owner. A write is ``WATCH fence``, ``GET
fence``, and once the epoch is seen to be ours, ``MULTI`` ... ``EXEC``: whatever touches the fence in between,
a new owner above all, makes EXEC write nothing. (A script inside MULTI could not stop what follows it.) Owns
these commands and what a fence's value means; refuses to hold connections (`write`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.errors import FencedError, OnlineLostError, StateError
from headrace.online.connection import Connection, Reply, ReplyError, command
from headrace.online.resp import Chunk

MULTI = command(b"MULTI")
EXEC = command(b"EXEC")


@dataclass(frozen=True)
class Batch:
    """Chunks to be written under one fence by the owner of `epoch`; unguarded if `fence_key` is None."""

    fence_key: str | None
    epoch: int
    chunks: Sequence[Chunk]


def look(fence_key: str) -> bytes:
    """WATCH and GET, in one go; `seen` reads their replies."""
    key = fence_key.encode()
    return command(b"WATCH", key) + command(b"GET", key)


def seen(connection: Connection, fence_key: str) -> int | None:
    """The epoch in the fence, from the replies to `look`; None if the fence does not exist."""
    watched, value = connection.read(), connection.read()
    for reply in (watched, value):
        if isinstance(reply, ReplyError):
            raise connection.as_error(reply)
    if value is None:
        return None
    if isinstance(value, bytes) and value.isdigit():
        return int(value)
    raise StateError(
        f"the fence {fence_key} at {connection.address} holds {_short(value)}, not an epoch. Delete it"
    )


def require(connection: Connection, fence_key: str, epoch: int) -> None:
    """Reads the replies to `look`. Raises FencedError or OnlineLostError unless the fence holds our epoch."""
    current = seen(connection, fence_key)
    if current is None or current < epoch:
        found = "is gone" if current is None else f"fell back to {current}"
        raise OnlineLostError(
            f"Redis at {connection.address} lost what was written: the fence {fence_key} {found},"
            f" expected {epoch}. Claim it again and write the partition's keys again",
            fence_key=fence_key,
        )
    if current > epoch:
        raise fenced(fence_key, epoch, current)


def put(connection: Connection, fence_key: str, epoch: int) -> bool:
    """Sets the fence to our epoch if nothing touched it since `look`; whether it did.

    Also when it held that epoch already: the touch makes void whatever an older connection of ours still has
    on its way.
    """
    connection.send(MULTI, command(b"SET", fence_key.encode(), b"%d" % epoch), EXEC)
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
