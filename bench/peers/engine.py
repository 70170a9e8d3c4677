"""What the harness asks of an engine, Headrace or a peer. It starts nothing itself."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from bench.measuring import FROM, TO
from tests.stack.whole import Addresses

SHOWN = 0
"""The user whose windows the checking runs print: the one with the most events."""


class Window(NamedTuple):
    """How many events, and the sum, least and greatest of their `amount`."""

    events: int
    sum: float
    min: float
    max: float


Windows = Mapping[int, Window]
"""By the start of the window, ms since the epoch."""


@dataclass(frozen=True)
class Task:
    """Windows of `size` seconds, one every `step` seconds; `events` are read, or as many as `seconds` allow."""

    name: str
    size: int
    step: int
    seconds: float = 300.0


W1 = Task("w1", 60, 60)
W2 = Task("w2", 3600, 60, seconds=75.0)


@dataclass(frozen=True)
class Job:
    """One run of a task: the `topic` is read from its start, `events` of it are the end; files go to `folder`.

    `core`: the engine is pinned to it; None: it is not. `check`: the windows of user SHOWN are wanted, not the time;
    the topic holds `events` then and no more.
    """

    addresses: Addresses
    topic: str
    task: Task
    events: int
    folder: Path
    core: int | None = 0
    check: bool = False

    @property
    def run(self) -> str:
        """A name that no other run has: one that took another's would find its state, and nothing left to count."""
        return f"{self.topic}_{self.folder.name.rsplit('-', 1)[-1]}"

    @property
    def kafka(self) -> str:
        """The broker."""
        assert self.addresses.kafka is not None
        return self.addresses.kafka

    def pinned(self, command: list[str]) -> list[str]:
        """`command` on the job's core."""
        cores = str(self.core) if self.core is not None else f"0-{(os.cpu_count() or 1) - 1}"
        return ["taskset", "-c", cores, *command]


class Count(NamedTuple):
    """At `wall` (time.monotonic): events read and window results emitted since the start."""

    wall: float
    events: float
    emitted: float


class Running(ABC):
    """An engine at work on a job."""

    @abstractmethod
    def pids(self) -> list[int]:
        """Its processes; their children count as well."""

    @abstractmethod
    def count(self) -> Count | None:
        """Where it stands; None while it starts. Raises EngineError if it has ended by an error."""

    @abstractmethod
    def windows(self) -> Windows | None:
        """The windows of SHOWN as far as they were computed; None: it does not show them before it has stopped."""

    @abstractmethod
    def stop(self) -> None:
        """End all of it."""

    def log(self) -> str:
        """What it has said, for the message of an error; nothing where it is not kept."""
        return ""


class Engine(ABC):
    """An engine. `name` is its key in reports, `title` what people call it, `emits` says which results it gives out."""

    name: ClassVar[str]
    title: ClassVar[str]
    emits: ClassVar[str]
    tasks: ClassVar[frozenset[str]] = frozenset({W1.name})
    share: ClassVar[tuple[float, float]] = (FROM, TO)
    """Between which shares of its events its rate is steady."""
    to_the_end: ClassVar[bool] = True
    """Whether it reads a topic to its very end; if not, its newest window is not checked."""

    @abstractmethod
    def install(self) -> str:
        """Make it ready to run, once; returns its versions. Raises MissingError, which says what is wanting."""

    @abstractmethod
    def events(self, task: Task) -> int:
        """How many events give a steady rate."""

    @abstractmethod
    def start(self, job: Job) -> Running:
        """Start it on a job."""


class EngineError(RuntimeError):
    """An engine did not do its job; the message ends with its log."""
