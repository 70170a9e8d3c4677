"""Reads of state that is larger than its cache: microseconds of CPU a key in `tables.store`, as records come.

    python -m bench.state [--records 1200000]

Flushes of 20,000 new records of 300 bytes, in order of their keys. After every ten of them as many keys are asked for
that are not there, that were written first, and that were written last. CPU of the process, RocksDB's merging included,
on one core. No Kafka, no Redis.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.machine import ENGINE
from tables.store import Batch, StateStore

FLUSH = 20_000
HEAD = ["| records | put | not there | written first | written last |", "|---|---|---|---|---|"]


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=1_200_000)
    given = arguments.parse_args()
    os.sched_setaffinity(0, {ENGINE})
    order = np.random.default_rng(1).permutation(given.records + FLUSH)
    value = bytes(np.random.default_rng(2).integers(0, 256, 100, "u1")) * 3

    def keys(begin: int) -> list[bytes]:
        return sorted(b"\0\1\0\0shu%09d" % i for i in order[begin : begin + FLUSH].tolist())

    print(*HEAD, sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        store = StateStore(Path(folder), "bench", changelogged=True)
        for begin in range(0, given.records, FLUSH):
            put = spent(partial(written, store, keys(begin), value))
            end = begin + FLUSH
            if end // FLUSH % 10 == 0:
                reads = [spent(partial(store.get_many, keys(at))) for at in (end, 0, begin)]
                print(
                    f"| {end:,} | {put:.2f} | " + " | ".join(f"{us:.2f}" for us in reads) + " |", flush=True
                )
        store.close()


def written(store: StateStore, keys: list[bytes], value: bytes) -> None:
    """Put `value` under every key."""
    batch = Batch()
    batch.put_all(keys, [value] * len(keys))
    store.write(batch)


def spent(work: Callable[[], object]) -> float:
    """Microseconds of CPU for each of FLUSH keys."""
    begin = time.process_time()
    work()
    return 1e6 * (time.process_time() - begin) / FLUSH


if __name__ == "__main__":
    main()
