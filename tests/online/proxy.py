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
    it returns is passed on instead, and None cuts the line.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.before: Callable[[bytes], bytes | None] = lambda data: data
        self._target = port
        self._tls = tls
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
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

    def cut(self) -> None:
        """Breaks every line there is; new ones can be made."""
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._sockets.clear()

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
            self._sockets += [near, far]
            self._start(self._pass, near, far, True)
            self._start(self._pass, far, near, False)

    def _pass(self, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                passed = self.before(data) if to_server else data
                if passed is None:
                    break
                target.sendall(passed)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
