"""How fast a changelog becomes a state folder: the restore of one partition, on one core, from a real broker.

The records are those of a view: heads and runs of panes as `bench.panes` makes them, in flushes of a transaction each
with their markers. It is restored by a process of its own (`bench.restoring`), which is tuned as a worker is
(`app.tuning`): the time is that process's CPU (RocksDB's background threads included) and the wall's, from the first
request on; the machine code for framing is loaded before.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from aiokafka import TopicPartition

from bench.panes import flushes, plan
from bench.process import ROOT, compiled
from bench.restoring import FINGERPRINT, Taken, digest
from headrace.panes import ViewCore
from headrace.panes.heads import entity_of
from headrace.plan import ViewPlan
from tables.kafka.outputs import Outputs, Records, built, record
from tables.kafka.producer import TransactionalProducer
from tables.kafka.topics import CHANGELOG, Topics
from tables.marker import KEY, Marker
from tests.stack.whole import Addresses

ENTITIES, PANES, FULL = 1_000_000, 10, "ten panes"
"""A million entities of ten panes: what was asked for."""
SECONDS, MB = 20.0, 100.0
"""Seconds for these, and megabytes of changelog a second on one core."""
SLICE = 50_000  # entities of one flush


@dataclass(frozen=True)
class Rate:
    """`records` of `nbytes` together, which hold `entities`, restored in `cpu` and `wall` seconds."""

    state: str
    entities: int
    records: int
    nbytes: int
    cpu: float
    wall: float

    @property
    def line(self) -> str:
        """A row of the report."""
        mb = self.nbytes / 1e6
        return (
            f"| {self.state} | {self.entities:,} | {self.records:,} | {self.nbytes / self.records:.0f} "
            f"| {self.cpu:.1f} | {self.wall:.1f} | {self.records / self.cpu:,.0f} | {mb / self.cpu:.0f} "
            f"| {mb / self.wall:.0f} | {asked(self)} |"
        )


HEAD = [
    "Restore of one changelog partition into an empty state folder, by a process on a core of its own:",
    "",
    "| state | entities | records | bytes each | CPU s | wall s | records/CPU-s | MB/CPU-s | MB/s wall | asked for |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def asked(r: Rate) -> str:
    """Whether the targets were reached. That of seconds is for ENTITIES with full panes, and scales with them."""
    fast = "reached" if r.nbytes / 1e6 / r.wall >= MB else "not reached"
    said = f"{MB:.0f} MB/s: {fast}"
    if r.state == FULL:
        most = SECONDS * r.entities / ENTITIES
        said += f"; {most:g} s: {'reached' if r.wall <= most else 'not reached'}"
    return said


def run(addresses: Addresses, windows: int, count: int = 12) -> Rate:
    """Fill a changelog with `count` flushes of a view with so many windows, and restore it."""
    title = f"{windows} window{'s' if windows > 1 else ''}, {count} flushes of 100,000 events"
    return _run(addresses.kafka, windows, title, lambda view: flushes(view, "uniform", count))


def full(addresses: Addresses, entities: int = ENTITIES) -> Rate:
    """Fill a changelog with so many entities, each with PANES panes of a rolling hour, and restore it."""
    return _run(addresses.kafka, 2, FULL, lambda view: full_panes(view, entities))


def full_panes(view: ViewPlan, entities: int) -> Iterator[tuple[pl.DataFrame, int]]:
    """Flushes of SLICE entities each, with an event in each of PANES minutes, and the clock of each flush."""
    random = np.random.default_rng(7)
    begin = 1_700_000_040_000_000  # a whole minute, us
    for start in range(0, entities, SLICE):
        ids = np.repeat(np.arange(start, min(start + SLICE, entities)), PANES)
        at = begin + 60_000_000 * (np.arange(len(ids)) % PANES)
        names = pl.select(pl.format("user-{}", pl.Series(ids).cast(pl.String).str.zfill(7))).to_series()
        rows = pl.DataFrame(
            {
                "_partition": pl.Series(np.zeros(len(ids)), dtype=pl.Int32),
                "_key": names,
                "_event_time": at,
                "_order": start * PANES + np.arange(len(ids)),
                **{name: np.round(random.random(len(ids)) * 100, 2) for name in view.inputs},
            }
        )
        yield rows, begin + 60_000_000 * PANES


def _run(
    bootstrap: str | None,
    windows: int,
    title: str,
    given: Callable[[ViewPlan], Iterable[tuple[pl.DataFrame, int]]],
) -> Rate:
    assert bootstrap is not None
    view = plan(windows)
    topic = f"restore{time.time_ns()}"
    topics = Topics({"bootstrap.servers": bootstrap, "log_level": 0}, embedded=False)
    topics.ensure({topic: (1, CHANGELOG)})
    core = ViewCore(view, clock="event")
    expected, count = asyncio.run(_fill({"bootstrap_servers": [bootstrap]}, topic, core, given(view)))
    taken = _restored(bootstrap, topic, windows)
    assert (taken.sequence, taken.digest) == (count, digest(expected)), taken
    entities = sum(entity_of(key) is not None for key in expected)
    return Rate(title, entities, taken.records, taken.nbytes, taken.cpu, taken.wall)


def _restored(bootstrap: str, topic: str, windows: int) -> Taken:
    """What a process that does nothing else took."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.restoring", bootstrap, topic, str(windows)],
        env=compiled(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Taken(**json.loads(done.stdout))


async def _fill(
    options: dict[str, object], topic: str, core: ViewCore, given: Iterable[tuple[pl.DataFrame, int]]
) -> tuple[dict[bytes, bytes], int]:
    """The state after all flushes, and how many these were."""
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
        await producer.write(*built([outputs]))
    await producer.close()
    return state, marker.sequence
