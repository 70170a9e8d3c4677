"""What is measured once and not by the event: start-up, definitions, idling, history."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import redis

from bench import projects
from bench.events import columns, datums, keys, partitions
from bench.measuring import Rate, Spread, cpu_of
from bench.peers.engine import W1, Count, Job, Running
from bench.peers.headrace import Headrace, folder, root
from bench.peers.running import timed
from bench.process import Process, compiled, environment
from bench.topics import Shape, fill
from bench.two_workers import Several
from tests.stack.kafka import create_topic
from tests.stack.whole import Addresses

LIMITS: Mapping[str, float] = {"help": 0.3, "ready": 3.0, "load": 2.0, "idle": 0.03}


def help_seconds(runs: int = 7) -> Spread:
    """Seconds of `headrace --help`, from the call to its end."""
    command = [str(Path(sys.executable).with_name("headrace")), "--help"]
    return Spread.of(_seconds(command) for _ in range(runs))


def load_seconds(views: int = 200, runs: int = 5) -> Spread:
    """Seconds of `hr.load` of so many views in a fresh process; importing it is not counted."""
    code = (
        "import sys, time, headrace as hr; t = time.perf_counter(); p = hr.load(sys.argv[1]); "
        f"assert len(p.views) == {views}; print(time.perf_counter() - t)"
    )
    with folder() as place:
        config = projects.write(Path(place), projects.views(views), "txn", "load")
        found = []
        for _ in range(runs):
            done = subprocess.run(
                [sys.executable, "-c", code, str(config)],
                env={**compiled(), "PYTHONPATH": str(root())},
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(float(done.stdout))
        return Spread.of(found)


def ready_seconds(addresses: Addresses, runs: int = 5) -> Spread:
    """Seconds from starting a worker to the first value in Redis, its event lying on the topic before."""
    return Spread.of(_ready(addresses) for _ in range(runs))


def idle_share(addresses: Addresses, seconds: float = 20.0) -> float:
    """The share of a core that a worker without events uses."""
    assert addresses.kafka is not None
    topic = f"idle_{time.time_ns()}"
    create_topic(addresses.kafka, topic, 4, {})
    with folder() as place:
        config = projects.write(Path(place), "w1", topic, topic)
        with Process("worker", config, environment(addresses, HEADRACE_ENGINE__CLOCK="wall"), 0) as worker:
            while worker.metrics() is None:
                worker.check()
                time.sleep(0.1)
            time.sleep(8)  # Numba's kernels are loaded, the group has settled
            before, begun = cpu_of(worker.pid), time.perf_counter()
            time.sleep(seconds)
            worker.check()
            return (cpu_of(worker.pid) - before) / (time.perf_counter() - begun)


HISTORY = 3_000_000
"""Events that history's rate takes at the least: it is told by commits, of half a million each."""


def history_rate(addresses: Addresses, n: int) -> Rate:
    """Events a second to Parquet (zstd) on local disk, from the commits of the Delta table.

    The last tenth does not count: a commit that is not full waits for its minute.
    """
    assert addresses.kafka is not None
    n = max(n, HISTORY)
    topic = f"history_{time.time_ns()}"
    fill(addresses.kafka, topic, n, Shape())
    with folder() as place:
        return timed(History(), Job(addresses, topic, W1, int(0.9 * n), Path(place)))


class History(Headrace):
    """`headrace history`."""

    name = "headrace-history"
    share = (0.15, 1.0)

    def start(self, job: Job) -> Running:
        config = projects.write(job.folder, "w1", job.topic, job.topic)
        uri = job.folder / "history"
        process = Process(
            "history", config, environment(job.addresses, HEADRACE_HISTORY__URI=str(uri)), job.core
        )
        return _Committed(process, uri / job.topic / "sources" / "txn" / "_delta_log")


class _Committed(Several):
    """Counts what the commits of a Delta table hold."""

    def __init__(self, process: Process, log: Path) -> None:
        super().__init__([process])
        self._log, self._read, self._rows = log, set[str](), 0

    def count(self) -> Count | None:
        self._processes[0].check()
        for commit in sorted(self._log.glob("*.json")):
            if commit.name not in self._read:
                self._read.add(commit.name)
                self._rows += rows_added(commit.read_text())
        return Count(time.monotonic(), self._rows, 0.0) if self._rows else None


def rows_added(commit: str) -> int:
    """How many rows the files have that a commit of a Delta table adds."""
    actions = [json.loads(line) for line in commit.splitlines()]
    return sum(json.loads(a["add"]["stats"])["numRecords"] for a in actions if "add" in a)


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, env=compiled(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def _ready(addresses: Addresses) -> float:
    from confluent_kafka import Producer

    assert addresses.kafka is not None
    assert addresses.redis_url is not None
    topic = f"ready_{time.time_ns()}"
    create_topic(addresses.kafka, topic, 4, {"retention.ms": "-1"})
    producer = Producer({"bootstrap.servers": addresses.kafka})
    event = columns(1, 1)
    producer.produce(
        topic, next(datums(event)), keys(1)[0], partition=partitions(1)[0], timestamp=int(event.at[0])
    )
    producer.flush(30)
    with folder() as place, redis.Redis.from_url(addresses.redis_url) as client:
        config = projects.write(Path(place), "w1", topic, topic)
        begun = time.perf_counter()
        with Process("worker", config, environment(addresses), 0) as worker:
            while not client.exists(f"{topic}:w1@1:u00000000"):
                worker.check()
                time.sleep(0.01)
            return time.perf_counter() - begun
