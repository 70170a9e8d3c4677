"""How fast a changelog becomes a state folder: the restore of one partition, on one core, from a real broker.

The records are those of a view: heads and runs of panes as `bench.panes` makes them, in flushes of a transaction each
with their markers. The time is the process's own CPU (RocksDB's background threads included) and the wall's.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from aiokafka import TopicPartition

from bench.machine import ENGINE
from bench.measuring import pin
from bench.panes import flushes, plan
from headrace.panes import ViewCore
from tables.cache import RecordCache
from tables.kafka.changelog import ChangelogReader
from tables.kafka.producer import Outputs, Records, TransactionalProducer, record
from tables.kafka.raw import install
from tables.kafka.topics import CHANGELOG, Topics
from tables.marker import KEY, Marker
from tables.store import StateStore
from tables.table import TablePartition
from tests.stack.whole import Addresses

FINGERPRINT = "bench"


@dataclass(frozen=True)
class Rate:
    """`records` of `nbytes` together, restored in `cpu` and `wall` seconds."""

    windows: int
    records: int
    nbytes: int
    cpu: float
    wall: float

    @property
    def line(self) -> str:
        """A row of the report."""
        mb = self.nbytes / 1e6
        return (
            f"| {self.windows} | {self.records:,} | {self.nbytes / self.records:.0f} | "
            f"{self.records / self.cpu:,.0f} | {mb / self.cpu:.0f} | "
            f"{self.records / self.wall:,.0f} | {mb / self.wall:.0f} |"
        )


HEAD = [
    "",
    "Restore of one changelog partition into an empty state folder:",
    "",
    "| windows | records | bytes each | records/CPU-s | MB/CPU-s | records/s wall | MB/s wall |",
    "|---|---|---|---|---|---|---|",
]


def run(addresses: Addresses, windows: int, count: int = 12) -> Rate:
    """Fill a changelog with `count` flushes of a view with so many windows, and restore it."""
    install()
    return asyncio.run(_run(addresses.kafka, windows, count))


async def _run(bootstrap: str | None, windows: int, count: int) -> Rate:
    assert bootstrap is not None
    view = plan(windows)
    core = ViewCore(view, clock="event")
    topic = f"restore{time.time_ns()}"
    topics = Topics({"bootstrap.servers": bootstrap, "log_level": 0}, embedded=False)
    topics.ensure({topic: (1, CHANGELOG)})
    options: dict[str, object] = {"bootstrap_servers": [bootstrap]}
    expected = await _fill(options, topic, core, flushes(view, "uniform", count))
    with tempfile.TemporaryDirectory() as folder, _on_a_core_of_its_own():
        store = StateStore(Path(folder), "bench", changelogged=True)
        table = TablePartition(store, RecordCache(1 << 20), "w@1", 0, topic, FINGERPRINT)
        reader = ChangelogReader(options)
        cpu, wall = time.process_time(), time.perf_counter()
        restored = await reader.restore(table, core.timers_of)
        rate = Rate(
            windows,
            restored.records,
            restored.nbytes,
            time.process_time() - cpu,
            time.perf_counter() - wall,
        )
        assert table.marker.sequence == count, table.marker
        found = dict(table.entities(1 << 30))
        assert found == expected, (len(found), len(expected))
        store.close()
    return rate


@contextmanager
def _on_a_core_of_its_own() -> Iterator[None]:
    """All threads of this process, and those that it starts, on the engine's core: the broker has the other."""
    before = os.sched_getaffinity(0)
    pin(os.getpid(), {ENGINE})
    try:
        yield
    finally:
        pin(os.getpid(), before)


async def _fill(
    options: dict[str, object], topic: str, core: ViewCore, given: list[tuple[pl.DataFrame, int]]
) -> dict[bytes, bytes]:
    state: dict[bytes, bytes] = {}
    producer = TransactionalProducer(options, topic)
    await producer.open()
    marker = Marker(FINGERPRINT)
    for rows, clock in given:
        rows = rows.with_columns(_partition=pl.lit(0, pl.Int32))
        update = core.step(rows, {}, {0: clock}, lambda _, keys: [state.get(k) for k in keys])
        writes = update.partitions[0]
        for key, value in zip(writes.keys, writes.values, strict=True):
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        marker = Marker(FINGERPRINT, epoch=1, sequence=marker.sequence + 1)
        outputs: Outputs = {
            TopicPartition(topic, 0): [Records(writes.keys, writes.values), record(KEY, marker.encode())]
        }
        await producer.write(outputs)
    await producer.close()
    return state
