"""Gets peers into the cache, once: Python ones each in an environment of its own, jars with Maven, never into .venv."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from tests.stack.cache import cache_root, locked
from tests.stack.install import MissingError, once, run

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


def environment(name: str, *requirements: str) -> Path:
    """The Python of an environment that holds `requirements` (never moved: its scripts know their path)."""
    place = cache_root() / f"peer-{name}-{_short(*requirements)}"
    done = place / "complete"
    with locked(place.with_suffix(".lock")):
        if not done.exists():
            print(f"peers: installing {', '.join(requirements)} ...", file=sys.stderr, flush=True)
            shutil.rmtree(place, ignore_errors=True)
            script = Path(__file__).parents[2] / ".ci" / "venv"
            run(["sh", str(script), str(place)])
            run([str(place / "bin" / "python"), "-m", "pip", "install", "-q", *requirements])
            done.touch()
    return place / "bin" / "python"


def jars(name: str, *artifacts: str) -> Path:
    """The folder of the jars `group:artifact:version` with all that they need."""
    rows = "\n".join(_dependency(*each.split(":")) for each in artifacts)

    def fetch(to: Path) -> None:
        if shutil.which("mvn") is None:
            raise MissingError("`mvn` is not on the PATH: install Maven (package `maven`)")
        (to / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            f"<groupId>headrace</groupId><artifactId>{name}</artifactId><version>1</version>"
            f"<packaging>pom</packaging><dependencies>\n{rows}\n</dependencies></project>\n"
        )
        goal = [f"{_PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={to}"]
        run(["mvn", "-q", "-B", *goal], to)

    return once(f"peer-{name}-{_short(*artifacts)}", fetch)


def classes(source: Path, classpath: str) -> Path:
    """The folder of the classes of one Java file."""

    def compile_it(to: Path) -> None:
        if shutil.which("javac") is None:
            raise MissingError("`javac` is not on the PATH: install a JDK of 17 or newer")
        run(["javac", "-cp", classpath, "-d", str(to), str(source)])

    return once(f"peer-classes-{_short(source.read_text(), classpath)}", compile_it)


def _dependency(group: str, artifact: str, version: str) -> str:
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
    )


def _short(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]
