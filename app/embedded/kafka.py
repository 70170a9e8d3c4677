"""Embedded Kafka: librdkafka's mock cluster as a process of its own.

What it serves: producing, consuming, consumer groups of one aiokafka member, committed offsets,
several topics and partitions, for as long as it lives. What it does not (seen on librdkafka 2.16):

- Transactions are spoken but mean nothing: `read_committed` returns aborted and open records, and an
  old transactional producer is not fenced. Treat it as a broker without transactions.
- Retention is 5 MiB (or 100,000 batches) per partition and cannot be set: the oldest batches go.
  What must stay readable has to fit: 336,776 flights of some 100 bytes fit into 16 partitions.
- A group whose last member left makes the next one wait for the session timeout less a second.
- No admin calls (topics come from `topics=` or `create_topic`; an unknown topic that a client asks
  for appears with four partitions), no compaction, no second member in an aiokafka group.
- Nothing is kept: when the process ends, topics and offsets are gone.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Self

from app.embedded.forward import Forward
from app.embedded.mock import MockCluster
from headrace.errors import UnavailableError, UsageError

_GRACE = 5.0


class EmbeddedKafka:
    """A mock cluster in a child process; a context manager.

    `topics` maps names to partition counts. With `port`, the bootstrap address is fixed (the broker
    itself always listens on a port of its own choice, and clients are told that one). The child ends
    when this process does, even after `kill -9`: it lives as long as a pipe from here is open.
    Raises `UnavailableError` if it does not start.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, port: int | None = None) -> None:
        self._topics = dict(topics or {})
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap = ""

    def start(self) -> None:
        """Start the child and return when its broker listens."""
        if self._process is not None:
            return
        command = [sys.executable, "-m", "app.embedded.kafka", "--controlled"]
        if self._port is not None:
            command += ["--port", str(self._port)]
        # A session of its own: Ctrl-C reaches the worker, which still needs its broker to drain.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            self.bootstrap = self._answer()
            for name, partitions in self._topics.items():
                self.create_topic(name, partitions)
        except BaseException:
            self.stop()
            raise

    def create_topic(self, name: str, partitions: int = 4) -> None:
        """Make a topic; one that is there already stays as it is. `UsageError` if it cannot be made."""
        if self._process is None or self._process.stdin is None:
            raise UsageError("embedded Kafka: create_topic before start")
        self._process.stdin.write(json.dumps([name, partitions]) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer != "ok":
            raise UsageError(answer)

    def stop(self) -> None:
        """End the child. Topics and offsets are gone."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self) -> str:
        if self._process is None or self._process.stdout is None:
            raise UsageError("embedded Kafka: not started")
        line = self._process.stdout.readline().strip()
        if not line:
            raise UnavailableError("embedded Kafka: its process ended; its error output says why")
        return line


def main(arguments: list[str] | None = None) -> None:
    """Run a mock cluster until SIGTERM or SIGINT, or (`--controlled`) until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m app.embedded.kafka", description=__doc__)
    parser.add_argument("--port", type=int, help="fixed port of the bootstrap address")
    parser.add_argument("--topics", default="", help="NAME:PARTITIONS,NAME:PARTITIONS")
    parser.add_argument(
        "--controlled", action="store_true", help="read [name, partitions] lines from standard input"
    )
    chosen = parser.parse_args(arguments)
    topics = [_topic(parser, each) for each in chosen.topics.split(",") if each]
    with ExitStack() as stack:
        cluster = stack.enter_context(MockCluster())
        for name, partitions in topics:
            cluster.create_topic(name, partitions)
        address = cluster.bootstrap
        if chosen.port is not None:
            address = stack.enter_context(Forward(chosen.port, cluster.bootstrap)).address
        print(address, flush=True)
        if chosen.controlled:
            _obey(cluster)
        else:
            stopping = {signal.SIGTERM, signal.SIGINT}
            signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
            signal.sigwait(stopping)


def _obey(cluster: MockCluster) -> None:
    for line in sys.stdin:
        name, partitions = json.loads(line)
        try:
            cluster.create_topic(name, partitions)
            print("ok", flush=True)
        except UsageError as error:
            print(error, flush=True)


def _topic(parser: argparse.ArgumentParser, text: str) -> tuple[str, int]:
    name, _, partitions = text.partition(":")
    if not name or not (partitions or "4").isdecimal():
        parser.error(f"--topics: expected NAME:PARTITIONS, got {text!r}")
    return name, int(partitions or 4)


if __name__ == "__main__":
    main()
