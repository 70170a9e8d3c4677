"""One process of ours: `headrace VERB` on a config folder, pinned, watched from outside through its metrics."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Self

from tests.stack.ports import free_port
from tests.stack.whole import Addresses

ROOT = Path(__file__).resolve().parent.parent


def environment(addresses: Addresses, **more: str) -> dict[str, str]:
    """The variables that point a process at the stack; `clock` of the events unless `more` says otherwise."""
    found = {
        "HEADRACE_KAFKA__BOOTSTRAP": addresses.kafka,
        "HEADRACE_REDIS__URL": addresses.redis_url,
        "HEADRACE_REGISTRY__URL": addresses.registry_url,
        "HEADRACE_ENGINE__CLOCK": "event",
        **more,
    }
    return {name: value for name, value in found.items() if value is not None}


def compiled() -> dict[str, str]:
    """This process's variables, with modules compiled once, as they are where they were installed: two seconds of a
    start are compiling where `PYTHONDONTWRITEBYTECODE` is set.
    """
    given = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    return {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "headrace-bench-compiled"), **given}


class Process:
    """`headrace VERB` in a process of its own, on one core or (None) on all; a context manager."""

    def __init__(self, verb: str, config: Path, variables: dict[str, str], core: int | None) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "headrace.cli", verb, "--config", str(config)]
        cores = str(core) if core is not None else f"0-{(os.cpu_count() or 1) - 1}"
        command = ["taskset", "-c", cores, *command]
        self._log = (config.parent / f"{verb}{self.port}.log").open("w")
        self._process = subprocess.Popen(
            command,
            env={
                **compiled(),
                **variables,
                "PYTHONPATH": str(ROOT),
                "HEADRACE_METRICS__PORT": str(self.port),
                "HEADRACE_LOG__LEVEL": "info",
            },
            cwd=config.parent,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises RuntimeError with its log if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"headrace ended with {self._process.returncode}: {self.log()[-3000:]}")

    def log(self) -> str:
        """What it has said."""
        return Path(self._log.name).read_text(errors="replace")

    def metrics(self) -> str | None:
        """Its metrics, as Prometheus reads them; None while it starts."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after 30 seconds."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def metric(text: str, name: str) -> float:
    """The sum over labels of a metric; 0 if it is not there."""
    return sum(float(x) for x in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.M))
