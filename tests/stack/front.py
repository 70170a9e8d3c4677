"""A front of an S3 server that can fail as S3 does: it refuses, hangs, cuts uploads, or loses answers.

It passes requests on as they came (signatures stay good, since the client signs the front's address as its host)
and decides for each of them by a rule. It knows HTTP and nothing of what is stored.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

from tests.stack.ports import HOST, free_port

Verdict = Literal["pass", "refuse", "hang", "cut", "lose"]
"""What happens to a request: passed on; answered 503; read and never answered; half of it passed on and the line cut;
passed on and its answer thrown away."""

Rule = Callable[[str, str], Verdict]
"""(method, path with query) -> what happens."""

_SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>'
)
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def passing(method: str, path: str) -> Verdict:
    """Every request is passed on."""
    return "pass"


class S3Front:
    """Listens on a port of its own before the S3 server on `upstream`. A context manager.

    `rule` may be set at any time; `counts` says how often each verdict was given.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.rule: Rule = passing
        self.counts: Counter[Verdict] = Counter()
        self.port = free_port()
        self._healed = threading.Event()
        self._server = _Server((HOST, self.port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="s3 front", daemon=True)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{HOST}:{self.port}"

    def fail(self, rule: Rule) -> None:
        """From now on, requests go by `rule`."""
        self._healed.clear()
        self.rule = rule

    def heal(self) -> None:
        """From now on, every request is passed on; those that hang are cut."""
        self.rule = passing
        self._healed.set()

    def hang(self, seconds: float = 300.0) -> None:
        """Returns when healed."""
        self._healed.wait(seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], front: S3Front) -> None:
        self.front = front
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        front = self.server.front
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verdict = front.rule(self.command, self.path)
        front.counts[verdict] += 1
        if verdict == "refuse":
            self._answer(503, {"Content-Type": "application/xml", "Retry-After": "1"}, _SLOW_DOWN)
        elif verdict == "hang":
            front.hang()
            self._hang_up()
        elif verdict == "cut":
            self._half(body)
            self._hang_up()
        else:
            try:
                status, headers, answer = self._ask(body)
            except (OSError, http.client.HTTPException):
                self._hang_up()
                return
            if verdict == "lose":
                self._hang_up()
            else:
                self._answer(status, headers, answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(
            http.client.HTTPConnection(HOST, self.server.front.upstream, timeout=60)
        ) as upstream:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def _half(self, body: bytes) -> None:
        """The head of the request and half of its body reach the server; then the line is cut."""
        head = [
            f"{self.command} {self.path} HTTP/1.1",
            *(f"{n}: {v}" for n, v in self.headers.items()),
            "",
            "",
        ]
        with (
            contextlib.suppress(OSError),
            socket.create_connection((HOST, self.server.front.upstream)) as line,
        ):
            line.sendall("\r\n".join(head).encode() + body[: len(body) // 2])

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the front has no log."""
