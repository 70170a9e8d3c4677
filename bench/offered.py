"""What an event costs a worker at a steady rate, where flushes are cut by time: a backlog's are cut by size."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from bench import projects
from bench.events import PARTITIONS
from bench.live import Load
from bench.machine import ENGINE
from bench.measuring import Rate, cpu_of, rss_of
from bench.peers.headrace import folder
from bench.process import Process, environment, metric
from tests.stack.kafka import create_topic
from tests.stack.whole import Addresses

WARM, MEASURED = 8.0, 15.0
"""Seconds that are offered uncounted, and counted."""


def offered(
    addresses: Addresses, view: str, rate: int, settings: Mapping[str, str], users: int = 100_000
) -> Rate:
    """CPU, results and memory at `rate` events a second, spread evenly over `users`. BehindError if it was too much."""
    assert addresses.kafka is not None
    topic = f"offered{time.time_ns()}"
    create_topic(addresses.kafka, topic, PARTITIONS, {})
    with folder() as place:
        config = projects.write(Path(place), view, topic, topic)
        variables = environment(addresses, **{"HEADRACE_ENGINE__CLOCK": "wall", **settings})
        with (
            Process("worker", config, variables, ENGINE) as worker,
            Load(addresses, topic, view, rate, users) as load,
        ):
            load.offer(WARM)
            load.counted(worker)
            before, cpu, written = load.produced, cpu_of(worker.pid), _written(worker)
            begin = time.monotonic()
            load.offer(MEASURED)
            load.counted(worker)
            wall = time.monotonic() - begin
            events = load.produced - before
            return Rate(
                events,
                events / wall,
                events / (cpu_of(worker.pid) - cpu),
                (_written(worker) - written) / events,
                rss_of(worker.pid, peak=True),
            )


def _written(worker: Process) -> float:
    return metric(worker.metrics() or "", "headrace_entities_written_total")
