"""toxiproxy: a proxy whose links can be slowed, starved, cut and reset through its HTTP API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import httpx

from tests.stack.install import toxiproxy
from tests.stack.ports import HOST, free_port
from tests.stack.process import Command, Component

Stream = Literal["upstream", "downstream"]


class Toxiproxy(Component):
    """One toxiproxy process; `proxy` opens a link through it."""

    name = "toxiproxy"

    def command(self) -> Command:
        return Command([str(toxiproxy()), "-host", HOST, "-port", str(self.port)])

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/version", timeout=1).is_success
        except httpx.HTTPError:
            return False

    def proxy(self, name: str, upstream: str, port: int | None = None) -> Proxy:
        """Open a link to `upstream` (`host:port`), listening on `port` or on a free one."""
        listen = f"{HOST}:{port or free_port()}"
        body = {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
        _call("POST", f"http://{self.address}/proxies", body)
        return Proxy(f"http://{self.address}/proxies/{name}", listen)

    def reset(self) -> None:
        """Heal everything: every link enabled, no toxic left."""
        _call("POST", f"http://{self.address}/reset")


@dataclass(frozen=True)
class Proxy:
    """One link: `address` is where clients connect."""

    resource: str
    address: str

    def cut(self) -> None:
        """Close its connections and refuse new ones."""
        _call("POST", self.resource, {"enabled": False})

    def heal(self) -> None:
        """Accept connections again. Toxics stay: remove them by name."""
        _call("POST", self.resource, {"enabled": True})

    def turn(self, upstream: str) -> None:
        """Close its connections and lead new ones to another `upstream` (`host:port`)."""
        _call("POST", self.resource, {"upstream": upstream})

    def add(
        self,
        kind: str,
        *,
        name: str | None = None,
        stream: Stream = "downstream",
        toxicity: float = 1.0,
        **attributes: int,
    ) -> str:
        """Add a toxic and return its name.

        `kind` with its attributes (milliseconds, bytes, KB/s): `latency(latency, jitter)`,
        `bandwidth(rate)`, `slow_close(delay)`, `timeout(timeout)` (0: nothing passes, nothing closes),
        `reset_peer(timeout)`, `slicer(average_size, size_variation, delay)`, `limit_data(bytes)`.
        `downstream` is from the server to the client; `toxicity` is the share of connections hit.
        """
        toxic = name or f"{kind}_{stream}"
        body = {"name": toxic, "type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        _call("POST", f"{self.resource}/toxics", body)
        return toxic

    def remove(self, toxic: str) -> None:
        """Remove a toxic by its name."""
        _call("DELETE", f"{self.resource}/toxics/{toxic}")

    def close(self) -> None:
        """Remove the link."""
        _call("DELETE", self.resource)


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> None:
    # The API refuses browsers by their user agent; httpx's own is let through.
    httpx.request(method, url, json=body, timeout=10).raise_for_status()
