"""Free ports, below the range from which the kernel takes ports for outgoing connections.

A component that is killed and started again on its old port must find it free: a port of the
ephemeral range may meanwhile have become the near end of somebody's connection.
"""

from __future__ import annotations

import os
import random
import socket

HOST = "127.0.0.1"
_RANGE = range(20_000, 32_000)
_LANES = 8
"""The processes of one test run draw from lanes of their own: a port may be drawn long before it is used."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


_drawn: set[int] = set()


def lane(worker: str) -> range:
    """The ports of a process of pytest-xdist (`gw0`, `gw1`, ...); of any other process with an empty name."""
    number = (int(worker.removeprefix("gw")) + 1) % _LANES if worker else 0
    return _RANGE[number::_LANES]


def free_port() -> int:
    """A port nobody listens on, at random so that two processes rarely draw the same one; never twice by one."""
    ports = lane(os.environ.get("PYTEST_XDIST_WORKER", ""))
    for _ in range(200):
        port = random.SystemRandom().choice(ports)
        if port not in _drawn and is_free(port):
            _drawn.add(port)
            return port
    raise OSError(f"no free port found between {_RANGE.start} and {_RANGE.stop} on {HOST}")
