"""One connection to Redis: bytes out, replies in, and a fast way through the reply of a transaction.

Not redis-py's, because that spends 11 us a key where a flush has one: here a reply is looked at as a run of
bytes, line by line only when it is not what was expected. Refuses to retry, and knows nothing of fences or
keys.
"""

from __future__ import annotations

from functools import lru_cache

from headrace.errors import HeadraceError, SettingsError, StateError, UnavailableError
from headrace.online.address import Address


class ReplyError(Exception):
    """An error reply; its text is the server's."""

    @property
    def code(self) -> str:
        return str(self).split(" ", 1)[0]


Reply = bytes | int | None | ReplyError | list["Reply"]

_PASSING = {
    "LOADING",
    "READONLY",
    "OOM",
    "BUSY",
    "MISCONF",
    "MASTERDOWN",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "TRYAGAIN",
}
_REFUSED = {"NOAUTH", "WRONGPASS", "NOPERM"}
_CLUSTER = {"MOVED", "ASK", "CROSSSLOT"}


def command(*arguments: bytes) -> bytes:
    """One command in RESP."""
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in arguments)


class Connection:
    """A socket with the handshake behind it. One thread at a time.

    Every method raises OSError when the connection is gone or silent for `timeout` seconds; after any
    exception the connection is of no further use.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self.address = address
        self._buffer = bytearray()
        self._socket = address.open(timeout)
        try:
            for step in address.handshake:
                self._checked(*step)
            self.run_id = self._server_field("run_id")
            client = self.call(b"CLIENT", b"ID")
            self.client_id = client if isinstance(client, int) else None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def send(self, *parts: bytes | memoryview) -> None:
        self._socket.sendall(b"".join(parts))

    def call(self, *arguments: bytes) -> Reply:
        """One command, one reply; an error reply is returned, not raised."""
        self.send(command(*arguments))
        return self.read()

    def read(self) -> Reply:
        """The next reply (RESP2)."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode("utf-8", "replace"))
        if kind == b"$":
            return None if rest == b"-1" else self._take(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"not a Redis reply: {line[:80]!r}")

    def read_transaction(self, commands: int) -> bool:
        """Whether a MULTI of so many commands, each answered by an integer, was executed.

        False if a watched key had changed. Raises what `as_error` makes of the first error reply.
        """
        opening = _opening(commands)
        size = len(opening)
        while len(self._buffer) < size and opening.startswith(self._buffer):
            self._fill()
        if not self._buffer.startswith(opening):
            return self._read_unexpected(commands)
        # EXEC ran: every reply is one line now, an integer or an error.
        while (lines := self._buffer.count(b"\n", size)) < commands:
            self._fill()
        end = len(self._buffer)
        for _ in range(lines - commands):
            end = self._buffer.rfind(b"\n", size, end)
        end = self._buffer.rfind(b"\n", size, end) + 1 if commands else size
        body = self._take(end)[size:]
        if b"-" in body:
            for line in body.split(b"\r\n"):
                if line[:1] == b"-":
                    raise self.as_error(ReplyError(line[1:].decode("utf-8", "replace")))
        return True

    def _read_unexpected(self, commands: int) -> bool:
        replies = [self.read() for _ in range(commands + 2)]
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise self.as_error(reply)
        if replies[-1] is None:
            return False
        raise ConnectionError(f"not the replies of a transaction of {commands} commands: {replies[-1]!r:.80}")

    def as_error(self, reply: ReplyError) -> HeadraceError:
        """What an error reply is to us: a server to wait for, a setting to correct, or data in the way."""
        text = f"Redis at {self.address} answered: {reply}"
        if reply.code in _REFUSED or "invalid password" in str(reply) or "without any password" in str(reply):
            return SettingsError(
                f"{text}. Correct the user or password in redis.url, or the user's permissions"
            )
        if reply.code in _CLUSTER:
            return SettingsError(
                f"{text}. redis.url must name a single server, not a node of a Redis Cluster"
            )
        if reply.code in _PASSING:
            return UnavailableError(text)
        if reply.code == "WRONGTYPE":
            return StateError(
                f"{text}. Something else keeps a key of ours: give it another name, or delete it"
            )
        return StateError(text)

    def _checked(self, *arguments: bytes) -> Reply:
        reply = self.call(*arguments)
        if isinstance(reply, ReplyError):
            raise self.as_error(reply)
        return reply

    def _server_field(self, name: str) -> str:
        """A field of INFO server; empty where this user may not ask."""
        reply = self.call(b"INFO", b"server")
        if isinstance(reply, ReplyError) and reply.code in {"NOAUTH", *_PASSING}:
            raise self.as_error(reply)
        text = reply.decode() if isinstance(reply, bytes) else ""
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return fields.get(name, "")

    def _fill(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._fill()
        return self._take(end + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken


@lru_cache(maxsize=1_024)
def _opening(commands: int) -> bytes:
    return b"+OK\r\n" + b"+QUEUED\r\n" * commands + b"*%d\r\n" % commands
