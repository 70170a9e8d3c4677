"""Training sets at size: seconds and memory of `store.training_set`, beside DuckDB's complete queries in the same run.

    python -m bench.training --folder DIR [--events 50000000] [--users 1000000] [--rows 1000000]
        [--kinds int string] [--draws zipf uniform] [--peers paned] [--times 3]

Each measured run is a process of its own. Cold: the files were put out of the page cache before. Warm runs and peers
take turns, `--times` over. The data are made once in `--folder` and kept there (see `bench.training_data`).
Needs no Kafka.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from bench import training_data as data
from bench.training_duckdb import QUERIES
from headrace.history.storage import table_uri

LIMIT = 90.0
"""Seconds after which a query is given up, if nothing else is asked for."""
CLOSE = 1e-9
"""By how much sums and means may differ, of their size."""

HEAD = [
    "| keys | spine | engine | cache | wall s | CPU s | peak MB | values |",
    "|---|---|---|---|---|---|---|---|",
]


@dataclass(frozen=True)
class Measured:
    """One run; without figures where it was given up or failed."""

    kind: str
    draw: str
    engine: str
    cache: str
    wall: float | None = None
    cpu: float = 0.0
    peak: float = 0.0
    values: str = ""

    @property
    def line(self) -> str:
        """A row of the report."""
        figures = (
            f"{self.values} | {self.cpu:.1f} | | given up "
            if self.wall is None
            else f"{self.wall:.1f} | {self.cpu:.1f} | {self.peak:,.0f} | {self.values} "
        )
        return f"| {self.kind} | {self.draw} | {self.engine} | {self.cache} | {figures}|"


def run(
    folder: Path,
    events: int,
    users: int,
    rows: int,
    peers: Sequence[str] = tuple(QUERIES),
    kinds: Sequence[data.Kind] = ("int", "string"),
    draws: Sequence[data.Draw] = ("zipf", "uniform"),
    times: int = 1,
    limit: float = LIMIT,
) -> Iterator[Measured]:
    """Make what is not there yet, then measure: our engine cold, then `times` over our engine warm and each peer."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        made = partial(_history, events=events, users=users, kind=kind)
        history = data.once(folder, f"history-{kind}-{events}-{users}", made)
        config = data.config(folder, str(history), kind)
        table = DeltaTable(table_uri(str(history), data.PROJECT, data.SOURCE))
        files = [str(Path(f.removeprefix("file://"))) for f in table.file_uris()]
        for draw in draws:
            drawn = partial(data.spine, rows=rows, users=users, kind=kind, draw=draw)
            spine = data.once(folder, f"spine-{kind}-{rows}-{users}-{draw}.parquet", drawn)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                ours = Path(scratch) / "ours.parquet"
                forget([*files, str(spine)])
                command = ["bench.training_run", str(config), str(spine), str(ours)]
                yield measured(command, kind, draw, "Headrace", "cold", limit)
                for _ in range(times):
                    yield measured(command, kind, draw, "Headrace", "warm", limit)
                    for peer in peers:
                        theirs = Path(scratch) / f"{peer}.parquet"
                        asked = ["bench.training_duckdb", peer, str(spine), str(theirs), *files]
                        done = measured(asked, kind, draw, f"DuckDB, {peer}", "warm", limit)
                        told = compared(ours, theirs) if done.wall is not None else ""
                        yield replace(done, values=told or done.values)


def _history(to: Path, events: int, users: int, kind: data.Kind) -> str:
    return data.history(str(to), events, users, kind)


def forget(files: Sequence[str]) -> None:
    """Put files out of the page cache."""
    for name in files:
        with Path(name).open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compared(ours: Path, theirs: Path) -> str:
    """ "equal", or the columns that differ: counts and extremes at all, sums and means by more than CLOSE."""
    one, other = pl.read_parquet(ours), pl.read_parquet(theirs)
    wrong = []
    for name, x in ((n, one[n]) for n in one.columns if n in other.columns):
        y = other[name]
        apart = (x - y).abs() / (1 + y.abs())
        most = CLOSE if name.startswith(("sum", "avg")) else 0.0
        if (x.is_null() != y.is_null()).any() or (apart > most).any():
            wrong.append(name)
    return "differ: " + ", ".join(wrong) if wrong else "equal"


def measured(
    command: Sequence[str],
    kind: str,
    draw: str,
    engine: str,
    cache: str,
    limit: float = LIMIT,
    *,
    module: bool = True,
) -> Measured:
    """Run a module, or another command, that prints its figures. Modules are compiled once, as they are where they
    were installed."""
    compiled = str(Path(tempfile.gettempdir()) / "headrace-bench-compiled")
    given = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        environment = {**given, "PYTHONPYCACHEPREFIX": compiled}
        whole = [sys.executable, "-m", *command] if module else list(command)
        child = subprocess.Popen(whole, stdout=out, stderr=err, env=environment)
        begin = time.perf_counter()
        while not (over := time.perf_counter() - begin > limit):
            pid, status, use = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
        if over:
            child.kill()
            _, status, use = os.wait4(child.pid, 0)
        child.returncode = status
        out.seek(0)
        err.seek(0)
        said, wrong = out.read(), err.read()
    if over:
        cpu = use.ru_utime + use.ru_stime
        return Measured(kind, draw, engine, cache, cpu=cpu, values=f"more than {limit:.0f}")
    if status:
        return Measured(kind, draw, engine, cache, values=f"failed: {wrong.strip().splitlines()[-1][:120]}")
    told = json.loads(said.splitlines()[-1])
    return Measured(kind, draw, engine, cache, told["wall"], told["cpu"], told["peak"])


def section(events: int) -> list[Measured]:
    """The runs of `python -m bench`: so many events, made anew, of a fiftieth as many users and rows."""
    with tempfile.TemporaryDirectory() as folder:
        return [*run(Path(folder), events, events // 50, events // 50, ("joined", "paned"))]


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--events", type=int, default=50_000_000)
    given.add_argument("--users", type=int, default=1_000_000)
    given.add_argument("--rows", type=int, default=1_000_000)
    given.add_argument("--folder", type=Path, required=True)
    given.add_argument("--peers", nargs="*", default=list(QUERIES), choices=QUERIES)
    given.add_argument("--kinds", nargs="*", default=["int", "string"], choices=["int", "string"])
    given.add_argument("--draws", nargs="*", default=["zipf", "uniform"], choices=["zipf", "uniform"])
    given.add_argument("--times", type=int, default=1)
    given.add_argument("--limit", type=float, default=LIMIT)
    asked = given.parse_args()
    print("\n".join(HEAD), flush=True)
    for done in run(
        asked.folder,
        asked.events,
        asked.users,
        asked.rows,
        asked.peers,
        asked.kinds,
        asked.draws,
        asked.times,
        asked.limit,
    ):
        print(done.line, flush=True)


if __name__ == "__main__":
    main()
