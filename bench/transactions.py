"""What a key costs Redis, by how many stand in one transaction and by how many Redis holds.

    python -m bench.transactions [--held 0 400000] [--keys 5 25 150] [--features 20]

A Valkey of its own on one core, the writer of `headrace.online` on the other, under a fence. Written are 20,000 keys
that are not there yet, field by field (HSET) and as whole hashes (RESTORE). Microseconds a key: of Redis's CPU, of the
writer's, and of the wall.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from bench.machine import ENGINE, OTHERS
from bench.measuring import cpu_of, pin
from headrace.online.keys import KeySpace
from headrace.online.resp import META, encode, encode_parts
from headrace.online.restore import warm
from headrace.online.write import OnlineWriter
from headrace.types import Float64
from tests.stack.redis import Redis

WRITTEN = 20_000
T0 = 1_700_000_000_000_000
SPACE = KeySpace("bench", "view", "1")
HEAD = [
    "| keys held | written by | keys a transaction | Redis CPU | writer CPU | wall |",
    "|---|---|---|---|---|---|",
]


def rows(begin: int, features: int) -> pl.DataFrame:
    """Values of so many features of WRITTEN entities."""
    random = np.random.default_rng(begin)
    columns = {f"feature_{i}": np.round(100 * random.random(WRITTEN), 2) for i in range(features)}
    meta = {name: T0 + random.integers(0, 10**9, WRITTEN) for name in META}
    keys = [f"u{i:08d}" for i in range(begin, begin + WRITTEN)]
    rest = {"_ttl": pl.Series([None] * WRITTEN, dtype=pl.Int64), "_remove": np.zeros(WRITTEN, "?")}
    return pl.DataFrame({"_key": keys, **columns, **meta, **rest})


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--held", type=int, nargs="*", default=[0, 400_000])
    arguments.add_argument("--keys", type=int, nargs="*", default=[5, 25, 150])
    arguments.add_argument("--features", type=int, default=20)
    given = arguments.parse_args()
    os.sched_setaffinity(0, {ENGINE})
    warm()
    print(*HEAD, sep="\n")
    for held, whole, size in product(given.held, (False, True), given.keys):
        spent = " | ".join(f"{us:.1f}" for us in measured(held, size, given.features, whole=whole))
        print(f"| {held:,} | {'RESTORE' if whole else 'HSET'} | {size} | {spent} |", flush=True)


def measured(held: int, size: int, features: int, *, whole: bool) -> tuple[float, float, float]:
    """Microseconds a key of Redis's CPU, of the writer's (building and sending) and of the wall, in transactions of
    `size` keys."""
    types = {f"feature_{i}": Float64 for i in range(features)}
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(Path(folder))
        server.start()
        try:
            pin(server.pid, {OTHERS})
            with OnlineWriter(server.url) as writer:
                writer.claim("fence", 1)
                for begin in range(0, held, WRITTEN):
                    writer.write("fence", 1, encode(rows(begin, features), SPACE, types, chunk_keys=size))
                given = rows(held, features)
                redis, own, wall = cpu_of(server.pid), time.process_time(), time.perf_counter()
                (chunks,) = encode_parts([given], SPACE, types, whole=whole, chunk_keys=size)
                writer.write("fence", 1, chunks)
                used = cpu_of(server.pid) - redis, time.process_time() - own, time.perf_counter() - wall
        finally:
            server.stop()
    return 1e6 * used[0] / WRITTEN, 1e6 * used[1] / WRITTEN, 1e6 * used[2] / WRITTEN


if __name__ == "__main__":
    main()
