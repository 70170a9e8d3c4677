"""DuckDB's complete queries for the same training set: every one gives all twenty features of every row of the spine.

    python -m bench.training_duckdb QUERY SPINE.parquet OUT.parquet PARQUET...

`joined`: one range join, an aggregate filtered by window. `framed`: rows and events in one table, RANGE frames whose
start follows each row's own step. `paned`: events by minute, hour, 6 hours and day, joined bucket by bucket on equal
keys; what is left of the current bucket comes from the next smaller ones. Each is given what Headrace prunes itself:
the days and instants that count and the keys of the spine. Prints one line of JSON, as `bench.training_run`.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import duckdb

from bench.training_run import peak_mb
from headrace.durations import DAY, HOUR, MINUTE

WINDOWS = {
    "1h": (HOUR, MINUTE),
    "24h": (24 * HOUR, HOUR),
    "48h": (48 * HOUR, HOUR),
    "7d": (7 * DAY, 6 * HOUR),
}
WINDOWS["30d"] = (30 * DAY, DAY)

PREPARED = """
create temp table spine as
    select row_number() over () as row, user_id, epoch_us("timestamp") as asked from read_parquet($spine);
create temp table events as
    select user_id, epoch_us(paid_at) as t, amount from read_parquet($files, hive_partitioning = false)
    where paid_at >= make_timestamptz({first}) and paid_at <= make_timestamptz({last})
      and user_id in (select user_id from spine);
"""


def joined() -> str:
    """One range join over the longest window."""
    columns = []
    for name, (size, step) in WINDOWS.items():
        inside = f"filter (t >= asked // {step} * {step} + {step} - {size})"
        columns += [f"count(t) {inside} as count_{name}", f"coalesce(sum(amount) {inside}, 0) as sum_{name}"]
        columns += [f"avg(amount) {inside} as avg_{name}", f"max(amount) {inside} as max_{name}"]
    size, step = WINDOWS["30d"]
    return (
        f"select row, {', '.join(columns)} from spine left join events on events.user_id = spine.user_id "
        f"and t <= asked and t >= asked // {step} * {step} + {step} - {size} group by row"
    )


def framed() -> str:
    """Frames over events and rows in one table."""
    frames, columns = [], []
    for name, (size, step) in WINDOWS.items():
        frames.append(
            f"w_{name} as (partition by user_id order by t "
            f"range between (t - (t // {step} * {step} + {step} - {size})) preceding and current row)"
        )
        columns += [
            f"count(n) over w_{name} as count_{name}",
            f"coalesce(sum(amount) over w_{name}, 0) as sum_{name}",
        ]
        columns += [f"avg(amount) over w_{name} as avg_{name}", f"max(amount) over w_{name} as max_{name}"]
    union = (
        "select null as row, user_id, t, amount, 1 as n from events "
        "union all select row, user_id, asked, null, null from spine"
    )
    return (
        f"select * exclude (user_id, t, amount, n) from (select *, {', '.join(columns)} from ({union}) "
        f"window {', '.join(frames)}) where row is not null"
    )


def paned() -> str:
    """Panes of four sizes, joined on equal buckets."""
    sizes = {"minute": MINUTE, "hour": HOUR, "quarter": 6 * HOUR, "day": DAY}
    sums = "count(*) as n, count(amount) as c, sum(amount) as s, max(amount) as m"
    again = "sum(n) as n, sum(c) as c, sum(s) as s, max(m) as m"
    with_ = [f"minute as materialized (select user_id, t // {MINUTE} as b, {sums} from events group by all)"]
    for (small, a), (large, b) in zip(list(sizes.items()), list(sizes.items())[1:], strict=False):
        with_.append(
            f"{large} as materialized (select user_id, b // {b // a} as b, {again} from {small} group by all)"
        )
    with_.append(
        f"part_minute as materialized (select row, {sums.replace('count(*)', 'count(t)')} from spine join events on "
        f"events.user_id = spine.user_id and t // {MINUTE} = asked // {MINUTE} where t <= asked group by row)"
    )
    before, parts = "minute", ["part_minute"]
    for large, b in list(sizes.items())[
        1:
    ]:  # the current bucket: whole smaller ones, and what is left of the last
        a = sizes[before]
        with_.append(
            _exploded(f"part_{large}", before, f"asked // {b} * {b // a}", f"asked // {a}", parts[-1])
        )
        parts.append(f"part_{large}")
        before = large
    named = {v: k for k, v in sizes.items()}
    for name, (size, step) in WINDOWS.items():
        pane = named[step]
        begin = f"asked // {step} + 1 - {size // step}"
        with_.append(_exploded(f"w_{name}", pane, begin, f"asked // {step}", f"part_{pane}"))
    columns = []
    for name in WINDOWS:
        columns += [
            f"coalesce(w_{name}.n, 0)::bigint as count_{name}",
            f"coalesce(w_{name}.s, 0) as sum_{name}",
        ]
        columns += [f"w_{name}.s / w_{name}.c as avg_{name}", f"w_{name}.m as max_{name}"]
    joins = " ".join(f"left join w_{name} using (row)" for name in WINDOWS)
    return f"with {', '.join(with_)} select row, {', '.join(columns)} from spine {joins}"


def _exploded(name: str, pane: str, begin: str, end: str, rest: str) -> str:
    """For each row of the spine: panes ``begin <= b < end``, and `rest`."""
    return (
        f"{name} as materialized (select row, sum(n) as n, sum(c) as c, sum(s) as s, max(m) as m from ("
        f"select row, n, c, s, m from (select row, user_id, unnest(range({begin}, {end})) as b from spine) "
        f"join {pane} using (user_id, b) union all select row, n, c, s, m from {rest}) group by row)"
    )


QUERIES = {"joined": joined, "framed": framed, "paned": paned}


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("query", choices=QUERIES)
    given.add_argument("spine")
    given.add_argument("out")
    given.add_argument("files", nargs="+")
    asked = given.parse_args()
    before, begin = os.times(), time.perf_counter()
    con = duckdb.connect()
    con.execute("set threads = 2; set timezone = 'UTC'; set preserve_insertion_order = false")
    low, high = con.execute(
        'select epoch_us(min("timestamp")), epoch_us(max("timestamp")) from read_parquet(?)', [asked.spine]
    ).fetchone() or (0, 0)
    size, step = WINDOWS["30d"]
    spine, *rest = PREPARED.format(first=low // step * step + step - size, last=high).split(";\n")
    con.execute(spine, {"spine": asked.spine})
    con.execute(rest[0], {"files": asked.files})
    con.execute(
        f"copy (select * from ({QUERIES[asked.query]()}) order by row) to '{asked.out}' (format parquet)"
    )
    wall, after = time.perf_counter() - begin, os.times()
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak_mb()}))


if __name__ == "__main__":
    main()
