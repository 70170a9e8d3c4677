"""The command line of the smaller benchmarks of training sets, and the folder that one run works in."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.training import HEAD


class Asked(NamedTuple):
    """What was asked for, in the order in which a benchmark's `run` takes it; `folder` is gone afterwards."""

    folder: Path
    events: int
    users: int
    rows: int
    times: int


@contextmanager
def asked(description: str | None) -> Iterator[Asked]:
    """Read the arguments, make a folder in the one that they name, and print the head of the table."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=2, help="warm runs")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print("\n".join(HEAD), flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        yield Asked(Path(folder), given.events, given.users, given.rows, given.times)
