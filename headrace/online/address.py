"""Where Redis is: a redis://, rediss:// or unix:// URL, opened as an authenticated socket.

Refuses to speak to Redis beyond the handshake (`connection`), and never shows a password.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from redis.connection import SSLConnection, UnixDomainSocketConnection, parse_url

from headrace.errors import SettingsError


@dataclass(frozen=True)
class Address:
    """One Redis server and who we are to it. ``str`` of it has no secret."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        where = f"unix://{self.path}" if self.path else f"{self.host}:{self.port}"
        return f"{where}/{self.database}" if self.database else where

    @property
    def handshake(self) -> list[tuple[bytes, ...]]:
        """The commands a new connection begins with."""
        commands: list[tuple[bytes, ...]] = []
        if self.password is not None:
            user = () if self.username is None else (self.username.encode(),)
            commands.append((b"AUTH", *user, self.password.encode()))
        if self.database:
            commands.append((b"SELECT", b"%d" % self.database))
        return commands

    def open(self, timeout: float) -> socket.socket:
        """A connected socket that gives up on any single step after `timeout` seconds. Raises OSError."""
        if self.path:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(timeout)
                sock.connect(self.path)
            except OSError:
                sock.close()
                raise
            return sock
        sock = socket.create_connection((self.host, self.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self.tls is None:
            return sock
        try:
            return self.tls.wrap_socket(sock, server_hostname=self.host)
        except OSError:
            sock.close()
            raise


def parse_address(url: str) -> Address:
    """The address in a URL as redis-py reads it (user, password, database, ``ssl_`` options).

    Raises SettingsError, without the URL's secrets, if it is not one.
    """
    try:
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        got = f"{urlsplit(url).scheme}://..." if "://" in url else "no scheme"
        raise SettingsError(
            f"redis.url: expected redis://, rediss:// or unix://, got {got}."
            " Write it as redis://[user:password@]host:port[/database]"
        ) from None
    kind = options.get("connection_class")
    unix = kind is not None and issubclass(kind, UnixDomainSocketConnection)
    secure = kind is not None and issubclass(kind, SSLConnection)
    return Address(
        host=options.get("host") or "localhost",
        port=int(options.get("port") or 6379),
        path=options.get("path") if unix else None,
        database=int(options.get("db") or 0),
        username=options.get("username"),
        password=options.get("password"),
        tls=_context(options) if secure else None,
    )


def _context(options: dict[str, object]) -> ssl.SSLContext:
    ca = options.get("ssl_ca_certs")
    certificate, key = options.get("ssl_certfile"), options.get("ssl_keyfile")
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        if certificate is not None:
            context.load_cert_chain(str(certificate), None if key is None else str(key))
    except OSError as exc:
        raise SettingsError(f"redis.url: the TLS files of the URL cannot be read: {exc}") from None
    if str(options.get("ssl_check_hostname", True)).lower() in ("false", "no", "0"):
        context.check_hostname = False
    if str(options.get("ssl_cert_reqs", "required")) == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
