"""The newest event's columns as of each row, beside Feast's local offline store (DuckDB) in the same run.

    python -m bench.training_feast --folder DIR [--events 5000000] [--users 100000] [--rows 100000] [--times 2]

Whole-number keys, rows drawn evenly: by Zipf Feast had not ended after 100 s and had 15 GB on disk. Feast gets its own
copy of the events, one Parquet file, and an environment of its own in the cache. Runs take turns. Needs no Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from bench import training_data as data
from bench.peers.installing import environment
from bench.training import Measured, measured
from bench.training_asked import asked
from headrace.history.read import scan

REQUIREMENTS = ("feast[duckdb]==0.67.0",)
PROGRAM = Path(__file__).parent / "peers" / "programs" / "feast_newest.py"
LIMIT = 100.0


def run(folder: Path, events: int, users: int, rows: int, times: int) -> Iterator[Measured]:
    """Make the data, then measure in turn; whether the values are equal stands beside Feast's."""
    python = environment("feast", *REQUIREMENTS)
    history, spine, copy = folder / "history", folder / "spine.parquet", folder / "events.parquet"
    table = data.history(str(history), events, users, "int")
    data.spine(spine, rows, users, "int", "uniform")
    scan(DeltaTable(table)).select("user_id", "paid_at", "amount", "merchant").sink_parquet(copy)
    config = data.config(folder, str(history), "int")
    ours, theirs = folder / "ours.parquet", folder / "theirs.parquet"
    for _ in range(times):
        command = ["bench.training_run", str(config), str(spine), str(ours), "--features", "newest"]
        yield measured(command, "int", "uniform", "Headrace", "warm", LIMIT)
        command = [str(python), str(PROGRAM), str(spine), str(copy), str(theirs)]
        done = measured(command, "int", "uniform", "Feast", "warm", LIMIT, module=False)
        yield done if done.wall is None else replace(done, values=compared(ours, theirs))


def compared(ours: Path, theirs: Path) -> str:
    """ "equal", or how many rows differ; Feast gives the rows in an order of its own."""
    keys, names = ["user_id", "timestamp"], ["amount", "merchant"]
    one = pl.read_parquet(ours)
    other = pl.read_parquet(theirs).rename({"event_timestamp": "timestamp"})
    same = [
        f.select(*keys, *(pl.col(n).cast(pl.Float64) for n in names)).sort(*keys) for f in (one, _utc(other))
    ]
    if len(one) != len(other):
        return f"differ: {len(one)} and {len(other)} rows"
    alike = pl.select(pl.all_horizontal(same[0][n].eq_missing(same[1][n]) for n in same[0].columns))
    differ = int((~alike.to_series()).sum())
    return f"differ: {differ} rows" if differ else "equal"


def _utc(frame: pl.DataFrame) -> pl.DataFrame:
    """As ours are: instants in UTC, microseconds."""
    at = pl.col("timestamp").dt.cast_time_unit("us")
    zone = frame.schema["timestamp"].time_zone
    return frame.with_columns(at.dt.convert_time_zone("UTC") if zone else at.dt.replace_time_zone("UTC"))


def main() -> None:
    """Run and print."""
    with asked(__doc__) as given:
        for done in run(*given):
            print(done.line, flush=True)


if __name__ == "__main__":
    main()
