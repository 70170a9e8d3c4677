"""Resident memory of a worker that holds many entities, and what their state looks like."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import projects
from bench.measuring import rss_of
from bench.process import Process, environment, metric
from bench.topics import Shape, fill, fill_panes
from tests.stack.whole import Addresses

CACHE_MB = 256


@dataclass(frozen=True)
class Memory:
    """Resident MB with `entities`, at the peak of a backlog of so many `events` and settled after it; MB of state on
    disk; records (of panes) and bytes an entity.
    """

    entities: int
    events: int
    rate: float
    peak: float
    settled: float
    disk: float
    records: float
    nbytes: float


HEAD = [
    "| entities | events of each | events/s | peak MB | settled MB | state on disk MB | records/entity "
    "| bytes/entity |",
    "|---|---|---|---|---|---|---|---|",
]


def line(m: Memory) -> str:
    """A row of the report."""
    each = m.events / m.entities
    return (
        f"| {m.entities:,} | {each:.0f} | {m.rate:,.0f} | {m.peak:,.0f} | {m.settled:,.0f} | {m.disk:,.0f} "
        f"| {m.records:.2f} | {m.nbytes:.0f} |"
    )


def run(addresses: Addresses, entities: int) -> Memory:
    """Two events of each of `entities`, windows of 1 h and 24 h; then the worker is looked at."""
    return _run(addresses, entities, _two)


def full(addresses: Addresses, entities: int) -> Memory:
    """The same with an event in every pane: in each minute of an hour and in each hour of a day. Cache: CACHE_MB."""
    return _run(addresses, entities, fill_panes, HEADRACE_STATE__CACHE_MB=str(CACHE_MB))


def _two(bootstrap: str, topic: str, entities: int) -> int:
    fill(bootstrap, topic, 2 * entities, Shape(skew="even", users=entities))
    return 2 * entities


def _run(
    addresses: Addresses, entities: int, filling: Callable[[str, str, int], int], **variables: str
) -> Memory:
    topic = f"memory{int(time.time() * 1000)}"
    assert addresses.kafka is not None
    events = filling(addresses.kafka, topic, entities)
    with tempfile.TemporaryDirectory() as folder:
        config = projects.write(Path(folder), "memory", topic, topic)
        peak = 0.0
        with Process("worker", config, environment(addresses, **variables), None) as worker:
            counted, first = 0.0, (0.0, 0.0)
            while counted < events:
                time.sleep(0.2)
                worker.check()
                counted = metric(worker.metrics() or "", "headrace_events_total")
                peak = max(peak, rss_of(worker.pid))
                if counted and not first[0]:
                    first = counted, time.monotonic()
            rate = (events - first[0]) / max(time.monotonic() - first[1], 0.2)
            time.sleep(8)  # the last flush settles, and an idle worker gives back what the backlog took
            settled = rss_of(worker.pid)
        state = Path(folder) / "data" / "state"
        disk = sum(f.stat().st_size for f in state.rglob("*") if f.is_file()) / 1e6
        seen, records, nbytes = _state(state, topic)
        return Memory(seen, events, rate, max(peak, settled), settled, disk, records / seen, nbytes / seen)


def _state(folder: Path, project: str) -> tuple[int, int, int]:
    """Entities, state records and their bytes (keys and values) in a state folder."""
    from tables.store import STATE, StateStore, partition_prefix

    store = StateStore(folder, project)
    entities = records = nbytes = 0
    for table in store.table_ids.values():
        for partition in range(16):
            prefix = partition_prefix(table, partition) + STATE
            for key, value in store.scan(prefix):
                records += 1
                nbytes += len(key) + len(value)
                entities += key[len(prefix) : len(prefix) + 1] == b"h"
    store.close()
    return entities, records, nbytes
