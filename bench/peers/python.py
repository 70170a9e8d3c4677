"""The peers written in Python: stock Faust, Quix Streams and Bytewax, each one process on one core."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

from bench.events import SCHEMA, user
from bench.peers.engine import SHOWN, Engine, Job, Running, Task
from bench.peers.installing import environment
from bench.peers.lines import LineProcess
from tests.stack.install import run

_VERSIONS = """
import sys
from importlib.metadata import version
print(*(f"{n} {version(n)}" for n in sys.argv[1:]), sep=", ")
"""
PROGRAMS = Path(__file__).parent / "programs"


class PythonPeer(Engine):
    """A program of `programs/` in an environment of its own; `arguments` follow its name."""

    requirements: ClassVar[tuple[str, ...]]
    program: ClassVar[str]
    arguments: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[int]
    share = (0.3, 1.0)

    def install(self) -> str:
        python = environment(self.name, *self.requirements)
        names = [each.partition("==")[0].partition("[")[0] for each in self.requirements]
        return run([str(python), "-c", _VERSIONS, *names]).strip()

    def events(self, task: Task) -> int:
        return self.reads

    def start(self, job: Job) -> Running:
        command = [
            str(environment(self.name, *self.requirements)),
            str(PROGRAMS / self.program),
            *self.arguments,
        ]
        variables = {
            "BROKER": job.kafka,
            "TOPIC": job.topic,
            "SCHEMA": json.dumps(SCHEMA),
            "SIZE": str(job.task.size),
            "STATE": str(job.folder / "state"),
            "SHOW": user(SHOWN) if job.check else "",
            "PYTHONPATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.environ["PATH"],
        }
        return LineProcess(job, command, variables)


class Faust(PythonPeer):
    """Faust as it comes: its own tables, changelog and transport.

    At the end of a topic it was seen to leave some hundred events unread for half a minute.
    """

    name = "faust"
    title = "faust-streaming, rocksdict + changelog, at least once"
    emits = "each event"
    requirements = ("faust-streaming[rocksdict]==0.15.3", "fastavro")
    program = "faust_windows.py"
    to_the_end = False
    arguments = ("worker", "-l", "warn", "--without-web")
    reads = 70_000


class Quix(PythonPeer):
    """Quix Streams."""

    name = "quix"
    title = "Quix Streams, RocksDB + changelog, at least once"
    emits = "each event"
    requirements = ("quixstreams==3.28.1", "fastavro")
    program = "quix_windows.py"
    reads = 300_000


class Bytewax(PythonPeer):
    """Bytewax. Its program waits a minute of event time for late events, so its first window closes after 100,000
    events: before that no result is in its rate, not even at half the events.
    """

    name = "bytewax"
    title = "Bytewax, recovery on, at least once"
    emits = "each window as it closes"
    requirements = ("bytewax[kafka]==0.21.1", "fastavro")
    program = "bytewax_windows.py"
    share = (0.5, 1.0)
    reads = 400_000
