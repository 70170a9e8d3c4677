"""A small shop for tests of the offline half: definitions, a config folder, and history as its process writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import headrace as hr
from headrace.history.schema import HistorySchema
from headrace.history.storage import Options
from headrace.history.table import HistoryTable

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PAY = """
import headrace as hr

user = hr.Entity("user", keys={"user": hr.String})
pay = hr.StreamSource(
    "pay",
    schema={"user": hr.String, "amount": hr.Float64, "at": hr.Timestamp},
    format="json",
    key="user",
    timestamp="at",
)
"""
FEATURES = f"""{PAY}
spend = hr.FeatureView(
    "spend",
    entity=user,
    source=pay,
    features={{"spent_7d": hr.sum("amount", over="7d"), "last": "amount", "paid_ever": hr.count(over=hr.lifetime())}},
)
rates = hr.BatchSource(
    "rates", path="../rates", timestamp="day", schema={{"user": hr.String, "day": hr.Timestamp, "rate": hr.Float64}}
)
rated = hr.FeatureView("rated", entity=user, source=rates, features={{"rate": "rate"}})
"""
SPINE = pl.DataFrame(
    {
        "user": ["u1", "u2", "u1", "nobody"],
        "timestamp": [T0 + timedelta(days=d) for d in (5, 9, 20, 9)],
        "label": [1, 0, 1, 0],
    }
)


def configured(home: Path, features: str, *, redis_url: str | None = None, more: str = "") -> Path:
    """A config folder with these definitions, whose history and state are beside it; `more` of its settings."""
    config = home / "config"
    (config / "features").mkdir(parents=True, exist_ok=True)
    (config / "features" / "spend.py").write_text(features)
    settings = 'project = "shop"\n[history]\nuri = "lake"\n[state]\ndir = "state"\n'
    settings += "" if redis_url is None else f'[redis]\nurl = "{redis_url}"\n'
    (config / "headrace.toml").write_text(settings + more)
    return config


def events(first: int, count: int) -> pl.DataFrame:
    """Events an hour apart, of three users in turn; amounts that do not add up exactly."""
    n = pl.int_range(first, first + count, eager=True)
    instant = pl.Series([T0 + timedelta(hours=i) for i in n.to_list()], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "user": ("u" + (n % 3).cast(pl.String)),
            "amount": n.cast(pl.Float64) * 0.1 + 1e-7,
            "at": instant,
            "_topic": pl.repeat("pay", count, eager=True),
            "_partition": pl.repeat(0, count, dtype=pl.Int32, eager=True),
            "_offset": n,
            "_timestamp": instant,
            "_ingested_at": instant,
        }
    )


def table(store: hr.FeatureStore, uri: str, options: Options | None = None) -> HistoryTable:
    """The history of the source `pay`."""
    source = store.project.source("pay")
    schema = HistorySchema(source.columns, "at")
    made = HistoryTable(uri, schema, writer="headrace/shop/pay", storage_options=options)
    made.open_or_create()
    return made


def append(to: HistoryTable, first: int, count: int) -> None:
    """Commit `events` with their offsets."""
    to.append(events(first, count), {("pay", 0): (first, first + count)})
