"""The demo's own processes: `headrace worker` and `headrace history`, as anybody would start them.

Owns their life: each runs in a session of its own, so that Ctrl-C reaches the demo alone; each ends with the demo,
even after `kill -9`; each is stopped by its id. Their settings come from the environment, as in a deployment.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

GRACE = 15.0
"""Seconds that a process may drain before it is killed."""


def headrace() -> list[str]:
    """The command `headrace` of this environment."""
    beside = Path(sys.executable).with_name("headrace")
    if beside.is_file():
        return [str(beside)]
    return [sys.executable, "-c", "from headrace.cli import main; main()"]


class Child:
    """One process, from `start` to `stop`; what it says goes to `log`."""

    def __init__(self, name: str, verb: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = [*_with(env), *headrace(), *verb]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; once."""
        command = [sys.executable, "-m", "app.embedded.lifeline", *self._command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def code(self) -> int | None:
        """Its exit code; None before it started and while it runs."""
        return None if self._process is None else self._process.poll()

    def end(self) -> None:
        """Ask it to drain and end; `stop` waits for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> int | None:
        """Let it drain, or kill it after `GRACE` seconds; its exit code, None if it never started."""
        process = self._process
        if process is None:
            return None
        self.end()
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            # The kernel closes the pipe with us; closing it here has the lifeline end, and if need be kill, its own.
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                return process.wait(GRACE)
            process.kill()
            return process.wait()

    def said(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _with(env: Mapping[str, str]) -> list[str]:
    """`env NAME=VALUE ...`, before a command: variables beside those that are there."""
    return [shutil.which("env") or "env", *(f"{name}={value}" for name, value in env.items())]
