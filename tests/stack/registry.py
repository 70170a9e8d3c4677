"""Apicurio Registry: a Schema Registry with Confluent's API. Keeps schemas in memory."""

from __future__ import annotations

import httpx

from tests.stack.install import registry_app
from tests.stack.java import java
from tests.stack.ports import HOST, free_port
from tests.stack.process import Command, Component

_MINIMUM_JAVA = 21


class Registry(Component):
    """One registry process; a restart forgets its schemas."""

    name = "registry"

    @property
    def url(self) -> str:
        """The root of the Confluent-compatible API."""
        return f"http://{self.address}/apis/ccompat/v7"

    def command(self) -> Command:
        jar = registry_app() / "quarkus-run.jar"
        environment = {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_MANAGEMENT_HOST": HOST,
            "QUARKUS_MANAGEMENT_PORT": str(free_port()),
        }
        heap = ["-Xmx512m", "-XX:+UseSerialGC"]
        return Command([str(java(_MINIMUM_JAVA)), *heap, "-jar", str(jar)], environment)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
