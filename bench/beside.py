"""Freshness of a view while the history of another is brought into the same worker by `headrace backfill`.

    python -m bench.beside --folder DIR [--events 50000000] [--users 1000000] [--rate 2000] [--limit N]

One project, one worker, one Kafka and one Redis of its own, none of them pinned. Probes (see `bench.live`) go to a view
of three windows at a steady rate: alone first, then from the start of the job until Redis has every entity of its view.
Told apart: while the job runs, and after it, while the worker takes the state up and writes the entities online.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import redis

from bench import projects
from bench import training_data as data
from bench.backfilling import components, config, prepared, ready, started, variables
from bench.events import PARTITIONS
from bench.live import Load, Probe
from bench.process import Process
from tests.stack.kafka import create_topic
from tests.stack.whole import Addresses

VIEW, TOPIC, USERS = "w1x3", data.PROJECT, 20_000
"""The view that is watched. `Load` looks under the topic's name as the project's: so they have the same."""
SAMPLED, FEW = 5_000, 100
"""Entities that are waited for, and how many of them are looked for at once."""
HEAD = [
    "| while | seconds | probes | p50 ms | p99 ms | worst ms | p99 to that alone |",
    "|---|---|---|---|---|---|---|",
]


@dataclass(frozen=True)
class Span:
    """Probes produced from `begin` to `end` (time.time)."""

    name: str
    begin: float
    end: float

    def line(self, probes: Sequence[Probe], alone: float) -> str:
        """A row of the report; `alone`: the 99th percentile that it is compared with."""
        found = [p.ms for p in probes if self.begin <= p.at < self.end]
        head = f"| {self.name} | {self.end - self.begin:.0f} | {len(found):,} |"
        if not found:
            return f"{head} | | | |"
        p50, p99 = np.percentile(found, [50, 99])
        return f"{head} {p50:.0f} | {p99:.0f} | {max(found):.0f} | {p99 / alone:.2f} |"


def run(
    folder: Path, events: int, users: int, rate: int, seconds: float, view: str, limit: int | None
) -> list[str]:
    """The rows of the report, and the producer's delay."""
    with components(folder) as (kafka, online), tempfile.TemporaryDirectory(dir=folder) as scratch:
        history, keys = prepared(kafka, folder, events, users)
        create_topic(kafka, TOPIC, PARTITIONS, {})
        made = config(Path(scratch) / "backfilled", str(history), view)
        live = projects.write(Path(scratch), VIEW, TOPIC, data.PROJECT)
        (live / "features" / "bench.py").rename(made / "features" / "bench.py")
        other = made / "features" / "payments.py"
        other.write_text(
            other.read_text().replace('Entity("user"', 'Entity("buyer"')
        )  # `user` is the live view's
        environment = variables(kafka, online, Path(scratch))
        with (
            Process("worker", made, environment, core=None) as worker,
            Load(Addresses(kafka=kafka, redis_url=online), TOPIC, VIEW, rate, USERS) as load,
            (Path(scratch) / "backfill.log").open("w+") as log,
            redis.Redis.from_url(online) as store,
        ):
            ready(worker)
            load.warm(worker, 30.0)
            begin = time.time()
            load.offer(seconds, probing=True)
            job = time.time()
            running = started(made, environment, log, limit)
            ends: list[float] = []
            try:
                there = _whole(running, store, random.Random(1).sample(keys, min(SAMPLED, len(keys))), ends)
                load.offer(0.0, there, probing=True)
            finally:
                running.kill()
                running.wait()
            whole = time.time()
            probes = load.arrived()
        alone = Span("alone", begin, job)
        p99 = float(np.percentile([p.ms for p in probes if alone.begin <= p.at < alone.end], 99))
        spans = [
            alone,
            Span("the job runs", job, ends[0]),
            Span("the worker takes up and writes", ends[0], whole),
            Span("both", job, whole),
        ]
        return [*(s.line(probes, p99) for s in spans), "", f"producer late at worst: {load.worst:.0f} ms"]


def _whole(
    job: subprocess.Popen[bytes], store: redis.Redis, keys: Sequence[int], ends: list[float]
) -> Callable[[], bool]:
    """Whether the job has ended, noted in `ends`, and then Redis has these entities; looked at ten times a second."""
    left, asked = [f"{data.PROJECT}:spend@1:{key}" for key in keys], 0.0

    def whole() -> bool:
        nonlocal left, asked
        now = time.time()
        if now < asked + 0.1:
            return False
        asked = now
        if not ends and job.poll() is not None:
            if job.returncode:
                raise RuntimeError(f"the backfill ended with {job.returncode}")
            ends.append(now)
        if ends:
            found = store.pipeline(transaction=False)
            for key in left[:FEW]:
                found.exists(key)
            left = [k for k, there in zip(left, found.execute(), strict=False) if not there] + left[FEW:]
        return not left

    return whole


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--folder", type=Path, required=True)
    given.add_argument("--events", type=int, default=50_000_000)
    given.add_argument("--users", type=int, default=1_000_000)
    given.add_argument("--rate", type=int, default=2_000)
    given.add_argument("--seconds", type=float, default=60.0)
    given.add_argument("--view", choices=["panes", "month"], default="panes")
    given.add_argument("--limit", type=int)
    asked = given.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    done = run(asked.folder, asked.events, asked.users, asked.rate, asked.seconds, asked.view, asked.limit)
    print("\n".join([*HEAD, *done]))


if __name__ == "__main__":
    main()
