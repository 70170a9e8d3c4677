"""Headrace as the harness sees it: `headrace worker` on a config folder, read through its metrics and through Redis.

Transactions, the fence in Redis and dead letters are on, and every changed value goes to Redis, which no peer does.
Redis holds the newest window of a user alone, as of the newest event of its partition.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import redis

from bench import projects
from bench.events import Columns, partitions, user
from bench.peers.engine import SHOWN, W1, W2, Count, Engine, EngineError, Job, Running, Task, Window, Windows
from bench.process import Process, environment, metric
from bench.topics import Shape, partition_ends

VERSIONS = ("polars", "pyarrow", "numpy", "numba", "faust-streaming", "aiokafka", "rocksdict", "deltalake")
FIELDS = ("count", "sum", "min", "max")


class Headrace(Engine):
    """`view` (of `bench.projects`; None: that of the task) on events of a `shape`, with `settings` as variables."""

    name = "headrace"
    title = "Headrace, RocksDB + changelog, exactly once, flush of 100 ms, values in Redis"
    emits = "changed users at each flush, to Redis"
    tasks = frozenset({W1.name, W2.name})

    def __init__(
        self, view: str | None = None, shape: Shape | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.view = view
        self.shape = shape or Shape()
        self.settings = dict(settings or {})

    def install(self) -> str:
        return ", ".join([f"headrace {source()}", *(f"{n} {version(n)}" for n in VERSIONS)])

    def events(self, task: Task) -> int:
        return 4_000_000 if task == W1 else 2_000_000

    def start(self, job: Job) -> Running:
        assert job.addresses.redis_url is not None
        with redis.Redis.from_url(job.addresses.redis_url) as client:
            client.flushall()  # what earlier runs left there makes every key dearer
        view = self.view or job.task.name
        config = projects.write(job.folder, view, job.topic, job.run, self.shape)
        return WorkerRun(
            job, view, Process("worker", config, environment(job.addresses, **self.settings), job.core)
        )


class WorkerRun(Running):
    """A worker at work."""

    def __init__(self, job: Job, view: str, process: Process) -> None:
        self._job, self._view, self.process = job, view, process

    def pids(self) -> list[int]:
        return [self.process.pid]

    def count(self) -> Count | None:
        self.process.check()
        text = self.process.metrics()
        if text is None:
            return None
        events = metric(text, "headrace_events_total")
        return (
            Count(time.monotonic(), events, metric(text, "headrace_entities_written_total"))
            if events
            else None
        )

    def windows(self) -> Windows | None:
        assert self._job.addresses.redis_url is not None
        with redis.Redis.from_url(self._job.addresses.redis_url, decode_responses=True) as client:
            row = client.hgetall(f"{self._job.run}:{self._view}@1:{user(SHOWN)}")
        if "_as_of" not in row:
            return {}
        at = pl.Series([row["_as_of"]]).str.to_datetime("%+", time_unit="ms").dt.epoch("ms")[0]
        return {newest(at, self._job.task): Window(int(row["count"]), *(float(row[f]) for f in FIELDS[1:]))}

    def stop(self) -> None:
        self.process.stop()

    def log(self) -> str:
        return self.process.log()


def newest(at: int, task: Task) -> int:
    """The start of the newest window as of an instant, both in ms."""
    step = 1000 * task.step
    return at // step * step + step - 1000 * task.size


def wrong_users(job: Job, view: str, events: Columns, users: int) -> list[str]:
    """A sentence for each user whose hash in Redis is not what a recomputation of all events gives."""
    wanted = expected(events, users, job.task)
    assert job.addresses.redis_url is not None
    with redis.Redis.from_url(job.addresses.redis_url, decode_responses=True) as client:
        asked = client.pipeline(transaction=False)
        for number in range(users):
            asked.hmget(f"{job.run}:{view}@1:{user(number)}", FIELDS)
        answers = asked.execute()
    wrong = []
    for number, row in enumerate(answers):
        w = wanted.get(number)
        got = None if row[0] in (None, "0") else Window(int(row[0]), *map(float, row[1:]))
        if got != w and (
            got is None or w is None or got[2:] != w[2:] or got[0] != w[0] or abs(got[1] - w[1]) > 1e-6
        ):
            wrong.append(f"{user(number)}: expected {w}, got {got}")
    return wrong


def expected(events: Columns, users: int, task: Task) -> dict[int, Window]:
    """The newest window of each user, as of the newest event of its partition; users without events there have none."""
    ends = partition_ends(events, users)
    starts = {p: newest(at, task) for p, at in ends.items()}
    where = np.asarray(partitions(users))[events.users]
    frame = pl.DataFrame(
        {"user": events.users, "at": events.at, "amount": events.amounts, "partition": where}
    )
    kept = frame.filter(pl.col("at") >= pl.col("partition").replace_strict(starts, return_dtype=pl.Int64))
    x = pl.col("amount")
    found = kept.group_by("user").agg(pl.len(), x.sum().alias("s"), x.min().alias("a"), x.max().alias("b"))
    return {number: Window(*row) for number, *row in found.iter_rows()}


def wait(running: WorkerRun, events: float, seconds: float = 300.0) -> None:
    """Return when so many events were counted and written."""
    end = time.monotonic() + seconds
    while True:
        count = running.count()
        if count is not None and count.events >= events:
            return
        if time.monotonic() > end:
            raise EngineError(f"headrace: {count} after {seconds:.0f} s, expected {events:,.0f} events")
        time.sleep(0.2)


def folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for one run."""
    return tempfile.TemporaryDirectory(prefix="headrace-bench-", ignore_cleanup_errors=True)


def source() -> str:
    """What tells one state of the product's code from another: a hash of its files."""
    found = hashlib.sha256()
    for name in ("headrace", "tables", "agents", "app"):
        for path in sorted((root() / name).rglob("*.py")):
            found.update(f"{path.relative_to(root())}\n".encode() + path.read_bytes())
    return found.hexdigest()[:7]


def root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[2]
