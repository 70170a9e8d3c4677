"""Training sets over history in a local folder and on S3 (versitygw beside, on the same cores), cold and warm.

    python -m bench.training_s3 --folder DIR [--events 5000000] [--users 100000] [--rows 100000] [--times 2]

Cold: the files, the server's too, were put out of the page cache before. Both histories have the same events, and the
values are compared. Needs versitygw as the tests do; what is made goes at the end.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from bench import training_data as data
from bench.training import forget, measured
from bench.training_asked import asked
from tests.stack.s3 import ACCESS_KEY, REGION, S3, SECRET_KEY, create_bucket, storage_options

BUCKET = "bench"


def run(folder: Path, events: int, users: int, rows: int, times: int) -> None:
    """Make both histories, measure, print, and compare."""
    spine = folder / "spine.parquet"
    data.spine(spine, rows, users, "int", "uniform")
    for name in ("local", "s3", "server"):
        (folder / name).mkdir()
    server = S3(folder / "server")
    server.start()
    try:
        create_bucket(server.url, BUCKET)
        local, away = str(folder / "local" / "history"), f"s3://{BUCKET}/history"
        data.history(local, events, users, "int")
        data.history(away, events, users, "int", storage_options(server.url))
        configs = {"local": data.config(folder / "local", local, "int")}
        configs["S3"] = data.config(folder / "s3", away, "int")
        with (configs["S3"] / "headrace.toml").open("a") as file:
            file.write(f'endpoint = "{server.url}"\naccess_key = "{ACCESS_KEY}"\n')
            file.write(f'secret_key = "{SECRET_KEY}"\nregion = "{REGION}"\n')
        for cache in ("cold", *["warm"] * times):
            for where, config in configs.items():
                if cache == "cold":
                    forget([str(f) for f in folder.rglob("*.parquet")])
                command = ["bench.training_run", str(config), str(spine), str(folder / f"{where}.out")]
                print(
                    measured(command, "int", "uniform", f"Headrace, {where}", cache, 600.0).line, flush=True
                )
    finally:
        server.stop()
    one, other = (pl.read_parquet(folder / f"{where}.out") for where in configs)
    print("the same values" if one.equals(other) else "VALUES DIFFER")


def main() -> None:
    """Run and print."""
    with asked(__doc__) as given:
        run(*given)


if __name__ == "__main__":
    main()
