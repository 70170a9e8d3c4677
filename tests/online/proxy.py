"""A line to a server that a test can hold: steps in between a request and its arrival, or cuts the line.

Requests pass whole as the client sent them in one call (loopback keeps small ones together).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

from tests.stack.ports import HOST


class Proxy:
    """Listens on a free port and passes bytes to `port`.

    `before(data)`, if set, is called with each piece on its way to the server, before it is passed on; what
    it returns is passed on instead, and None cuts the line. `closed()` is called when the server has closed a
    line, and so has read all that was passed to it.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.before: Callable[[bytes], bytes | None] = lambda data: data
        self.closed: Callable[[], None] = lambda: None
        self._target = port
        self._tls = tls
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._near: list[socket.socket] = []
        self._far: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for end in [*self._near, *self._far]:
            end.close()

    def cut(self) -> None:
        """Breaks every line there is; new ones can be made."""
        self.hang_up()
        _shut(self._far)

    def point_to(self, port: int) -> None:
        """From now on the lines lead to another server; those there were are broken."""
        self._target = port
        self.cut()

    def hang_up(self) -> None:
        """Breaks every line on the client's side; what it has sent still reaches the server."""
        _shut(self._near)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                if self._tls is not None:
                    near = self._tls.wrap_socket(near, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            far = socket.create_connection((HOST, self._target))
            self._near.append(near)
            self._far.append(far)
            self._start(self._pass, near, far)
            self._start(self._answer, near, far)

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 20):
                passed = self.before(data)
                if passed is None:
                    _shut([near, far])
                    return
                far.sendall(passed)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_WR)

    def _answer(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 20):
                with contextlib.suppress(OSError):
                    near.sendall(data)
        _shut([near])
        self.closed()


def _shut(ends: list[socket.socket]) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
