"""A peer that is one process and tells where it stands in lines on its standard output.

    EVENTS monotonic-seconds events emitted
    WINDOW start-ms count sum min max

The last line of a kind, and of a window, counts. Anything else on the output is its log.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping

from bench.peers.engine import Count, EngineError, Job, Running, Window, Windows


def last_count(lines: Iterable[str]) -> Count | None:
    """The last whole EVENTS line."""
    found = None
    for line in lines:
        words = line.split()
        if words[:1] == ["EVENTS"] and len(words) == 4:
            found = Count(*map(float, words[1:]))
    return found


def last_windows(lines: Iterable[str]) -> Windows:
    """Each window's last whole WINDOW line."""
    found: dict[int, Window] = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["WINDOW"] and len(words) == 6:
            found[int(words[1])] = Window(int(words[2]), *map(float, words[3:]))
    return found


class LineProcess(Running):
    """`command` at work; standard output and error go to a file of the job's folder."""

    def __init__(self, job: Job, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._path = job.folder / "output.log"
        self._log = self._path.open("wb")
        self._process = subprocess.Popen(
            job.pinned(command),
            cwd=job.folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def pids(self) -> list[int]:
        return [self._process.pid]

    def count(self) -> Count | None:
        found = last_count(self._lines())
        if self._process.poll() is not None and self._process.returncode != 0:
            raise EngineError(f"ended with {self._process.returncode}:\n" + "\n".join(self._lines()[-30:]))
        return found

    def windows(self) -> Windows | None:
        return last_windows(self._lines())

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._log.close()

    def _lines(self) -> list[str]:
        return self._path.read_text(errors="replace").splitlines()
