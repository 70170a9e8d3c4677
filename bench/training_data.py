"""The history and the spines of the training benchmark: made once in a folder, by NumPy, and kept by `HistoryTable`.

Owns what the data are. Payments of `users` users, Zipf 1.0, over 90 days up to 2026-01-01, a commit of 500,000 at a
time in the order of their event times, over 4 partitions, then compacted as upkeep does it. `kind`:

- ``int``: whole-number keys, no nulls, no late events
- ``string``: keys such as ``user-00000042``, every 20th amount null, every 50th event up to three days late: it is kept
  with the events of the day on which it arrived
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from headrace.aggregates.partials import Ints
from headrace.durations import DAY
from headrace.history.account import writer_of
from headrace.history.schema import HistorySchema
from headrace.history.storage import table_uri
from headrace.history.table import HistoryTable
from headrace.history.upkeep import compact
from headrace.types import DataType, Float64, Int32, Int64, String, Timestamp

Kind = Literal["int", "string"]
Draw = Literal["zipf", "uniform"]

PROJECT, SOURCE = "bench", "payments"
PARTITIONS, COMMIT = 4, 500_000
DAYS = 90
LAST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
FIRST = LAST - DAYS * DAY
LATE = 3 * DAY

CONFIG = """
import headrace as hr

user = hr.Entity("user", keys={{"user_id": hr.{key}}})
payments = hr.StreamSource(
    "payments", topics=["payments"], format="json", key="user_id", timestamp="paid_at", lateness="5m", start="earliest",
    schema={{"user_id": hr.{key}, "paid_at": hr.Timestamp, "amount": hr.Float64, "merchant": hr.Int32}},
)
spend = hr.FeatureView(
    "spend", entity=user, source=payments,
    features={{
        f"{{name}}_{{over}}": feature
        for over in ("1h", "24h", "48h", "7d", "30d")
        for name, feature in {{
            "count": hr.count(over=over), "sum": hr.sum("amount", over=over),
            "avg": hr.avg("amount", over=over), "max": hr.max("amount", over=over),
        }}.items()
    }},
)
newest = hr.FeatureView(
    "newest", entity=user, source=payments, ttl="30d", features={{"amount": "amount", "merchant": "merchant"}}
)
"""


def key_type(kind: Kind) -> DataType:
    """The type of the users' key."""
    return Int64 if kind == "int" else String


def drawn(n: int, users: int, draw: Draw, random: np.random.Generator) -> Ints:
    """Whose each of `n` rows is; users stand in random order, so that a number says nothing of how often."""
    if draw == "uniform":
        return random.integers(0, users, n)
    edges = np.cumsum(1 / np.arange(1, users + 1))
    order = np.random.default_rng(11).permutation(users)
    who: Ints = order[np.searchsorted(edges / edges[-1], random.random(n)).clip(max=users - 1)]
    return who


def history(
    uri: str,
    events: int,
    users: int,
    kind: Kind,
    options: dict[str, str] | None = None,
    *,
    days: int = DAYS,
    hot: float = 0.0,
) -> str:
    """Make the history under `uri` (`history.uri` of the settings), of so many days up to LAST; user 0 has the share
    `hot` of the events. The table's own address."""
    random = np.random.default_rng(1)
    made = table_uri(uri, PROJECT, SOURCE)
    columns = {"user_id": key_type(kind), "paid_at": Timestamp, "amount": Float64, "merchant": Int32}
    table = HistoryTable(
        made, HistorySchema(columns, "paid_at"), writer=writer_of(PROJECT, SOURCE), storage_options=options
    )
    table.open_or_create()
    ends = [0] * PARTITIONS
    step, first = days * DAY / events, LAST - days * DAY
    for begin in range(0, events, COMMIT):
        n = min(COMMIT, events - begin)
        who = drawn(n, users, "zipf", random)
        if hot:
            who[random.random(n) < hot] = 0
        arrived = (first + (begin + np.arange(n)) * step).astype("i8")
        at, amount = arrived, pl.Series(np.round(random.gamma(2, 30, n), 2))
        if kind == "string":
            at = arrived - np.where(random.random(n) < 0.02, random.integers(0, LATE, n), 0)
            amount = amount.set(pl.Series(random.random(n) < 0.05), None)
        partition = who % PARTITIONS
        offset, spans = np.empty(n, "i8"), {}
        for p in range(PARTITIONS):
            mine = np.flatnonzero(partition == p)
            offset[mine] = ends[p] + np.arange(len(mine))
            spans[SOURCE, p] = (ends[p], ends[p] + len(mine))
            ends[p] += len(mine)
        stamp = pl.Series(arrived).cast(pl.Datetime("us", "UTC"))
        frame = pl.DataFrame(
            {
                "user_id": named(who, kind),
                "paid_at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
                "amount": amount,
                "merchant": pl.Series(random.integers(0, 5000, n), dtype=pl.Int32),
                "_topic": pl.Series([SOURCE]).new_from_index(0, n),
                "_partition": pl.Series(partition, dtype=pl.Int32),
                "_offset": offset,
                "_timestamp": stamp,
                "_ingested_at": stamp.dt.offset_by("1s"),
            }
        )
        table.append(frame, spans)
    compact(made, options)
    return made


def spine(
    path: Path, rows: int, users: int, kind: Kind, draw: Draw, *, days: int = DAYS, hot: float = 0.0
) -> None:
    """Labelled rows in no order, each at some instant of all `days` but the first 30; a share `hot` of user 0."""
    random = np.random.default_rng(2)
    at = LAST - (days - 30) * DAY + random.integers(0, (days - 30) * DAY, rows)
    who = drawn(rows, users, draw, random)
    if hot:
        who[random.random(rows) < hot] = 0
    pl.DataFrame(
        {
            "user_id": named(who, kind),
            "timestamp": pl.Series(at).cast(pl.Datetime("us", "UTC")),
            "label": random.random(rows) < 0.1,
        }
    ).write_parquet(path)


def named(who: Ints, kind: Kind) -> pl.Series:
    """The users' keys."""
    plain = pl.Series(who)
    if kind == "int":
        return plain
    return pl.select(pl.format("user-{}", plain.cast(pl.String).str.zfill(8))).to_series()


def config(folder: Path, uri: str, kind: Kind) -> Path:
    """A config folder whose history is under `uri`."""
    made = folder / f"config-{kind}"
    (made / "features").mkdir(parents=True, exist_ok=True)
    (made / "headrace.toml").write_text(f'project = "{PROJECT}"\n[history]\nuri = "{uri}"\n')
    (made / "features" / "payments.py").write_text(CONFIG.format(key=key_type(kind)))
    return made


def once(folder: Path, name: str, make: Callable[[Path], object]) -> Path:
    """What `make` makes at ``folder/name``, if it is not there yet."""
    made, part = folder / name, folder / f"{name}.part"
    if not made.exists():
        make(part)
        part.rename(made)
    return made
