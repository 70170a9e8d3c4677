"""One component as one process: start it, wait until it answers, stop it, kill it.

A component that belongs to this process dies with it, even after `kill -9` (Linux: the kernel sends
the signal when the thread that started it ends, so start components from a thread that stays).
A `detached` one outlives its starter and is found again by its pid and start time.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.stack.ports import HOST, free_port

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Command:
    """What to run: arguments, and what is added to the environment."""

    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class NotReadyError(RuntimeError):
    """A component died while starting, or did not answer before its deadline; carries its log's end."""


class Component(ABC):
    """One process that serves one address.

    `folder` holds its files and log; `port` is drawn if not given and then stays: `restart` comes
    back at the same address, with the same data.
    """

    name: ClassVar[str]
    deadline: ClassVar[float] = 240.0

    def __init__(self, folder: Path, port: int | None = None, *, detached: bool = False) -> None:
        self.folder = folder.resolve()
        self.port = port or free_port()
        self.detached = detached
        self.log = self.folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Command:
        """What to run; called at each start, so it may also write the configuration."""

    @abstractmethod
    def answers(self) -> bool:
        """One try, over the component's own protocol, of at most a second or two."""

    @property
    def address(self) -> str:
        """`host:port` of the component."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id; only while it was started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there (it may not answer yet, or be paused)."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process and return at once."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        command = self.command()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command.arguments,
                cwd=self.folder,
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if self.detached else _die_with_parent,
            )

    def wait(self) -> None:
        """Return when the component answers; raise `NotReadyError` if it dies or the deadline passes."""
        end = time.monotonic() + self.deadline
        while not self.answers():
            if not self.running:
                raise NotReadyError(f"{self.name} ended while starting:\n{self.log_tail()}")
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{self.name} did not answer in {self.deadline:.0f} s:\n{self.log_tail()}"
                )
            time.sleep(0.05)

    def start(self) -> None:
        """Start the process and return when it answers."""
        self.launch()
        try:
            self.wait()
        except NotReadyError:
            self.kill()
            raise

    def terminate(self) -> None:
        """SIGTERM, without waiting; a paused process is resumed to hear it."""
        if self._process is not None and self.running:
            self.resume()
            self._process.terminate()

    def stop(self, grace: float = 20.0) -> None:
        """SIGTERM, and SIGKILL if it is still there after `grace` seconds. Nothing if it is not running."""
        if self._process is None:
            return
        self.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stop (if it runs) and start again: same address, same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: the process stays, holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def log_tail(self, lines: int = 25) -> str:
        """The last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def started_at(pid: int) -> int | None:
    """The start time of a living process in clock ticks since boot; None if there is none.

    With the pid it names one process for good: pids are used again, the pair is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def end_process(pid: int, started: int, grace: float = 20.0) -> bool:
    """End a process that need not be a child of ours; False if it was gone already."""
    if started_at(pid) != started:
        return False
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + grace
    while started_at(pid) == started:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            end += grace
        time.sleep(0.02)
    return True


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
