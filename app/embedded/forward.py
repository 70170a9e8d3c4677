"""Forwards a fixed loopback port to the mock broker, whose own port cannot be chosen.

Only bootstrap connections come this way: what a client learns there is the broker's own address.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

from headrace.errors import UnavailableError

_HOST = "127.0.0.1"
_CHUNK = 65_536


class Forward:
    """Listens on `port` and joins every connection to `target` (`host:port`). A context manager."""

    def __init__(self, port: int, target: str) -> None:
        host, _, target_port = target.rpartition(":")
        self._target = (host, int(target_port))
        try:
            self._listener = socket.create_server((_HOST, port))
        except OSError as error:
            raise UnavailableError(
                f"embedded Kafka: port {port} of {_HOST} cannot be opened ({error.strerror}); choose another"
            ) from error
        self.address = f"{_HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="embedded-kafka-forward", daemon=True).start()

    def close(self) -> None:
        """Accept no more; what is joined stays joined."""
        # shutdown() wakes the thread that waits in accept(); close() alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    # Each direction closes only what it reads from; shutting the other's input down ends its twin.
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
    source.close()
