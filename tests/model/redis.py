"""A double of a Redis server, spoken to in RESP over a socket in memory: WATCH, MULTI, EXEC, and losing what it had.

Commands take effect when they are sent, in the order sent; a transaction takes effect as one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.model.process import Process

Hash = dict[str, str]
Value = Hash | bytes

OK = b"+OK\r\n"


@dataclass(eq=False)
class Line:
    """The server's side of a connection."""

    process: Process
    number: int
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    watched: dict[bytes, int] = field(default_factory=dict)
    queued: list[list[bytes]] | None = None
    closed: bool = False


class Server:
    """`written(key, hash, process)` is called for every hash that a command has changed, once it stands."""

    def __init__(self, written: Callable[[str, Hash, Process], None]) -> None:
        self.data: dict[bytes, Value] = {}
        self.run = 1
        self._written = written
        self._touched: defaultdict[bytes, int] = defaultdict(int)
        self._lines: list[Line] = []

    def connect(self, process: Process) -> Line:
        self._lines.append(Line(process, len(self._lines) + 1))
        return self._lines[-1]

    def hashes(self) -> dict[str, Hash]:
        return {key.decode(): dict(v) for key, v in self.data.items() if isinstance(v, dict)}

    def lose(self, kept: dict[bytes, Value]) -> None:
        """FLUSHALL and the like: what it holds is now `kept`."""
        for key in {*self.data, *kept}:
            self._touched[key] += 1
        self.data = kept

    def restart(self, kept: dict[bytes, Value]) -> None:
        """Another process, or another server, at the same address."""
        self.run += 1
        for line in self._lines:
            line.closed = True
        self.lose(kept)

    def copy(self) -> dict[bytes, Value]:
        return {k: dict(v) if isinstance(v, dict) else v for k, v in self.data.items()}

    def receive(self, line: Line, data: bytes) -> None:
        if line.closed:
            return
        line.inbox += data
        while (arguments := _next(line.inbox)) is not None:
            line.outbox += self._answer(line, arguments)

    def _answer(self, line: Line, arguments: list[bytes]) -> bytes:
        name, rest = arguments[0].upper(), arguments[1:]
        if name == b"MULTI":
            line.queued = []
            return OK
        if name == b"EXEC":
            queued, line.queued = line.queued or [], None
            watched, line.watched = line.watched, {}
            if any(self._touched[key] != seen for key, seen in watched.items()):
                return b"*-1\r\n"
            changed: list[bytes] = []
            replies = [self._do(command, changed) for command in queued]
            self._tell(line, changed)
            return b"*%d\r\n" % len(replies) + b"".join(replies)
        if line.queued is not None:
            line.queued.append(arguments)
            return b"+QUEUED\r\n"
        if name == b"WATCH":
            line.watched.update((key, self._touched[key]) for key in rest)
            return OK
        if name in (b"UNWATCH", b"PING"):
            line.watched.clear()
            return OK
        if name == b"INFO":
            return _bulk(b"run_id:%040d" % self.run)
        if name == b"CLIENT":
            return b":%d\r\n" % line.number
        changed = []
        reply = self._do(arguments, changed)
        self._tell(line, changed)
        return reply

    def _do(self, arguments: list[bytes], changed: list[bytes]) -> bytes:
        name, key, rest = arguments[0].upper(), arguments[1], arguments[2:]
        if name == b"GET":
            found = self.data.get(key)
            assert not isinstance(found, dict)
            return _bulk(found)
        if name == b"RESTORE":  # as of a server before Redis 7: fields are written one by one
            return b"-ERR DUMP payload version or checksum are wrong\r\n"
        self._touched[key] += 1
        if name == b"SET":
            self.data[key] = rest[0]
            return OK
        if name == b"DEL":
            return b":%d\r\n" % (self.data.pop(key, None) is not None)
        hash = self.data.setdefault(key, {})
        assert isinstance(hash, dict)
        changed.append(key)
        if name == b"HSET":
            hash |= {f.decode(): v.decode() for f, v in zip(rest[::2], rest[1::2], strict=True)}
        elif name == b"HDEL":
            for f in rest:
                hash.pop(f.decode(), None)
        else:
            raise AssertionError(f"the model's Redis has no {name!r}")
        return b":1\r\n"

    def _tell(self, line: Line, changed: list[bytes]) -> None:
        for key in dict.fromkeys(changed):
            hash = self.data.get(key)
            if isinstance(hash, dict):
                self._written(key.decode(), hash, line.process)


def _bulk(value: bytes | None) -> bytes:
    return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)


def _next(inbox: bytearray) -> list[bytes] | None:
    """Take a whole command off the front, if there is one."""
    head = inbox.find(b"\r\n")
    if head < 0:
        return None
    arguments, at = [], head + 2
    for _ in range(int(inbox[1:head])):
        end = inbox.find(b"\r\n", at)
        if end < 0 or len(inbox) < end + 4 + int(inbox[at + 1 : end]):
            return None
        size = int(inbox[at + 1 : end])
        arguments.append(bytes(inbox[end + 2 : end + 2 + size]))
        at = end + 4 + size
    del inbox[:at]
    return arguments


class Address:
    """In place of `headrace.online.address.Address`: where the server is, for one process."""

    handshake = ()

    def __init__(self, process: Process, server: Server) -> None:
        self._process = process
        self._server = server

    def __str__(self) -> str:
        return "the model's Redis"

    def open(self, timeout: float) -> Socket:
        return Socket(self._process, self._server)


class Socket:
    """The client's side of a connection."""

    def __init__(self, process: Process, server: Server) -> None:
        self._process = process
        self._server = server
        self._line = server.connect(process)

    def sendall(self, data: bytes) -> None:
        if self._line.closed:
            raise ConnectionError("the connection is closed")
        line, server = self._line, self._server
        self._process.call_sync(f"redis.{_kind(data)}", lambda: server.receive(line, data))

    def recv(self, size: int) -> bytes:
        out = self._line.outbox
        if not out:
            raise ConnectionError("the server closed the connection")
        data = bytes(out[:size])
        del out[:size]
        return data

    def close(self) -> None:
        # What was sent and has not arrived may arrive all the same: the server's side lives on.
        pass


def _kind(data: bytes) -> str:
    if b"INFO" in data[:12] or b"CLIENT" in data[:16]:
        return "hello"
    if b"EXEC" not in data:
        return "look"
    return "write" if b"\r\nHSET\r\n" in data or b"\r\nDEL\r\n" in data else "claim"
