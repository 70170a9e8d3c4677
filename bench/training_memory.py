"""Memory of a training set as history grows: one user has half of all events, and the rows are of all of it.

    python -m bench.training_memory --folder DIR [--a-day 55000] [--days 90 360]

As many events a day, of a quarter of the time and of all of it; as many rows. Needs no Kafka.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

from bench import training_data as data
from bench.training import Measured, measured

USERS, ROWS = 100_000, 100_000
HEAD = ["| days | events | of one user | wall s | CPU s | peak MB |", "|---|---|---|---|---|---|"]


def line(days: int, events: int, done: Measured) -> str:
    """A row of the report."""
    assert done.wall is not None, done.values
    return f"| {days} | {events:,} | half | {done.wall:.1f} | {done.cpu:.1f} | {done.peak:,.0f} |"


def run(folder: Path, a_day: int, days: int) -> str:
    """Make the history if it is not there yet, then a training set of it."""
    folder.mkdir(parents=True, exist_ok=True)
    events = a_day * days
    name = f"hot-{days}-{events}"
    history = data.once(
        folder, name, lambda to: data.history(str(to), events, USERS, "int", days=days, hot=0.5)
    )
    drawn = partial(data.spine, rows=ROWS, users=USERS, kind="int", draw="zipf", days=days, hot=0.1)
    spine = data.once(folder, f"{name}.parquet", drawn)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        config = data.config(Path(scratch), str(history), "int")
        command = ["bench.training_run", str(config), str(spine), f"{scratch}/out.parquet"]
        return line(days, events, measured(command, "int", "zipf", "Headrace", "warm", 600.0))


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--folder", type=Path, required=True)
    given.add_argument("--a-day", type=int, default=55_000)
    given.add_argument("--days", type=int, nargs="*", default=[90, 360])
    asked = given.parse_args()
    print("\n".join(HEAD), flush=True)
    for days in asked.days:
        print(run(asked.folder, asked.a_day, days), flush=True)


if __name__ == "__main__":
    main()
