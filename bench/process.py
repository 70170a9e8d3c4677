"""One measured process of ours: pinned, watched from outside through its metrics and /proc."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.stack.ports import free_port

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Sample:
    """`wall` s since an arbitrary instant, `events` counted, `cpu` s used, `rss` MB resident."""

    wall: float
    events: float
    cpu: float
    rss: float


def cpu_of(pid: int) -> float:
    """User and system seconds of a process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_of(pid: int) -> float:
    """Resident megabytes of a process."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


class Worker:
    """`headrace worker` on a config folder, in a process of its own; a context manager."""

    def __init__(self, config: Path, environment: dict[str, str], *, core: int | None) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "headrace.cli", "worker", "--config", str(config)]
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        self._log = (config.parent / "worker.log").open("w")
        self.process = subprocess.Popen(
            command,
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": str(ROOT),
                "HEADRACE_METRICS__PORT": str(self.port),
                "HEADRACE_LOG__LEVEL": "info",
            },
            cwd=config.parent,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def sample(self) -> Sample | None:
        """Where it stands; None while it starts. Raises RuntimeError if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended: {Path(self._log.name).read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        events = sum(float(x) for x in re.findall(r"^headrace_events_total\{.*\} (\S+)$", text, re.M))
        pid = self.process.pid
        return Sample(time.perf_counter(), events, cpu_of(pid), rss_of(pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
