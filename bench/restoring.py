"""One restore, in a process of its own that is tuned as a worker is, on the engine's core: `bench.restore` starts it.

    python -m bench.restoring BOOTSTRAP TOPIC WINDOWS

Says in JSON what it took. Nothing large is loaded before the heap is settled.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from app.tuning import tune
from bench.machine import ENGINE

FINGERPRINT = "bench"


@dataclass(frozen=True)
class Taken:
    """Records and bytes that were read, seconds that it took, and what there is then: the flush and the state."""

    records: int
    nbytes: int
    cpu: float
    wall: float
    sequence: int
    digest: str


def digest(state: Mapping[bytes, bytes]) -> str:
    """The same for the same records."""
    out = hashlib.blake2b()
    for key in sorted(state):
        for part in (key, state[key]):
            out.update(len(part).to_bytes(4, "big") + part)
    return out.hexdigest()


async def restore(bootstrap: str, topic: str, windows: int) -> Taken:
    """Restore partition 0 of the changelog `topic`, of a view with so many windows, into an empty folder."""
    from bench.panes import plan
    from headrace.panes import ViewCore
    from headrace.wire import warm
    from tables.cache import RecordCache
    from tables.kafka.changelog import ChangelogReader
    from tables.kafka.raw import install
    from tables.store import StateStore
    from tables.table import TablePartition

    install()
    warm()
    core = ViewCore(plan(windows), clock="event")
    with tempfile.TemporaryDirectory() as folder:
        store = StateStore(Path(folder), "bench", changelogged=True)
        table = TablePartition(store, RecordCache(1 << 20), "w@1", 0, topic, FINGERPRINT)
        reader = ChangelogReader({"bootstrap_servers": [bootstrap]})
        cpu, wall = time.process_time(), time.perf_counter()
        restored = await reader.restore(table, core.timers_of)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        state = digest(dict(table.entities(1 << 30)))
        store.close()
    return Taken(restored.records, restored.nbytes, cpu, wall, table.marker.sequence, state)


def main() -> None:
    """Restore and say what it took."""
    os.sched_setaffinity(0, {ENGINE})
    tune(1)
    bootstrap, topic, windows = sys.argv[1:]
    print(json.dumps(asdict(asyncio.run(restore(bootstrap, topic, int(windows))))))


if __name__ == "__main__":
    main()
