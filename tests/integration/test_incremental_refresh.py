"""Incremental refreshes: what one leaves is what a full one would, offline and in Redis, whatever files come."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
from deltalake import DeltaTable, write_deltalake

import headrace as hr
from app.embedded.redis import EmbeddedRedis
from headrace.offline.jobs import folder_of, run
from headrace.offline.submitting import refresh_record, work_of
from headrace.settings import load_settings
from tests.integration.shop import T0, configured

FEATURES = """
import headrace as hr

user = hr.Entity("user", keys={"user": hr.String})
files = hr.BatchSource(
    "payments", path="../files", timestamp="at", schema={"user": hr.String, "amount": hr.Int64, "at": hr.Timestamp}
)
spend = hr.FeatureView(
    "spend", entity=user, source=files, where="amount > 0", ttl="6d",
    features={
        "spent_1d": hr.sum("amount", over="1d"),
        "spent_yesterday": hr.sum("amount", over=hr.tumbling("1d", closed=True)),
        "visit": hr.count(over=hr.session("5h")),
        "last": "amount",
        "paid_ever": hr.count(over=hr.lifetime()),
    },
)
weekly = hr.FeatureView("weekly", entity=user, source=files, features={"spent_7d": hr.sum("amount", over="7d")})
fading = hr.FeatureView(
    "fading", entity=user, source=files, features={"faded": hr.decayed_sum("amount", half_life="1d")}
)
"""


@pytest.fixture
def store(tmp_path: Path, redis_server: EmbeddedRedis, client: redis.Redis) -> Iterator[hr.FeatureStore]:
    (tmp_path / "files").mkdir()
    with hr.FeatureStore(configured(tmp_path, FEATURES, redis_url=redis_server.url)) as opened:
        yield opened


def payments(rng: random.Random, count: int, now: datetime) -> pl.DataFrame:
    """Payments of the twelve days around `now`, some of them refused, some of them still to come."""
    rows = [
        {
            "user": f"u{rng.randrange(30)}",
            "amount": rng.randrange(-1, 9),
            "at": now + timedelta(minutes=rng.randrange(-10 * 1440, 2 * 1440)),
        }
        for _ in range(count)
    ]
    return pl.DataFrame(rows)


def refreshed(store: hr.FeatureStore, at: datetime, view: str = "spend") -> dict[str, Any]:
    """What a refresh of this instant tells of itself."""
    folder = folder_of(store.settings)
    record = refresh_record(store.project, store.settings, store.project.view(view), micros(at))
    done = run(folder, record.id, work_of(store.project, store.settings, record))
    assert done.state == "done"
    return dict(done.result)


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def kept(home: Path, at: datetime, view: str = "spend") -> pl.DataFrame:
    """The view's table as of the instant."""
    table = pl.read_delta(str(home / "lake" / "shop" / "views" / f"{view}@1"))
    return table.filter(pl.col("_as_of") == at).drop("_as_of", "_date")


def served(client: redis.Redis, project: str = "shop") -> dict[str, dict[str, str]]:
    """What Redis has of each entity, without its instants."""
    found = {key.split(":")[-1]: client.hgetall(key) for key in client.scan_iter(f"{project}:spend@1:*")}
    return {k: {n: v for n, v in h.items() if n[0] != "_"} for k, h in found.items()}


def in_full(home: Path, n: int) -> hr.FeatureStore:
    """Another project on the same files, whose tables know of no refresh before."""
    given = {"PROJECT": "full", "HISTORY__URI": f"full{n}", "STATE__DIR": f"state{n}"}
    env = {f"HEADRACE_{name}": value for name, value in given.items()}
    return hr.FeatureStore(home / "config", settings=load_settings(home / "config", env))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_refreshes_of_growing_files_leave_what_full_ones_would(
    store: hr.FeatureStore, client: redis.Redis, tmp_path: Path, seed: int
) -> None:
    rng, now, told = random.Random(seed), T0, []
    for i in range(6):
        if i in (0, 2, 3):
            payments(rng, 60 if i == 0 else 3, now).write_parquet(tmp_path / f"files/{rng.random()}.parquet")
        told.append(refreshed(store, now))
        with in_full(tmp_path, i) as full:
            assert refreshed(full, now)["mode"] == "full"
        whole = pl.read_delta(f"{tmp_path}/full{i}/full/views/spend@1").drop("_as_of", "_date")
        assert kept(tmp_path, now).equals(whole)
        assert served(client) == served(client, "full")
        assert whole.height == len(served(client))
        now += timedelta(minutes=rng.choice([5, 90, 1440, 3000]))
    assert [t["mode"] for t in told] == ["full"] + ["incremental"] * 5
    assert sum(t["computed"] for t in told[1:]) < 5 * told[0]["computed"]


def test_only_what_may_have_changed_is_computed_and_written(
    store: hr.FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    rows = [{"user": u, "amount": 5, "at": T0 - timedelta(days=3)} for u in ("ann", "bob", "cid")]
    pl.DataFrame(rows).write_parquet(tmp_path / "files" / "a.parquet")
    assert refreshed(store, T0) == {
        "mode": "full", "computed": 3, "newest_event": micros(T0 - timedelta(days=3)),
    }  # fmt: skip
    before = client.hgetall("shop:spend@1:bob")
    later = T0 + timedelta(minutes=1)
    assert refreshed(store, later)["computed"] == 0
    pl.DataFrame({"user": ["ann"], "amount": [7], "at": [T0]}).write_parquet(tmp_path / "files" / "b.parquet")
    later += timedelta(minutes=1)
    assert refreshed(store, later) == {"mode": "incremental", "computed": 1, "newest_event": micros(T0)}
    assert client.hget("shop:spend@1:ann", "paid_ever") == "2"
    assert client.hgetall("shop:spend@1:bob") == before
    assert kept(tmp_path, later).rows() == [
        ("ann", 7, 0, 1, 7, 2),
        ("bob", 0, 0, 0, 5, 1),
        ("cid", 0, 0, 0, 5, 1),
    ]


def test_a_delta_table_that_grows_is_read_from_where_the_refresh_before_stood(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    rng = random.Random(5)
    for mode in ("full", "incremental"):
        write_deltalake(tmp_path / "files", payments(rng, 20, T0).to_arrow(), mode="append")
        assert refreshed(store, T0)["mode"] == mode
    DeltaTable(tmp_path / "files").optimize.compact()
    assert refreshed(store, T0)["mode"] == "full"  # files were replaced: what of them is new cannot be told


@pytest.mark.parametrize(
    "what", ["a file changed", "a file went", "redis lost it", "the clock fell", "another definition"]
)
def test_a_refresh_is_full_where_more_may_have_changed(
    store: hr.FeatureStore, client: redis.Redis, tmp_path: Path, what: str
) -> None:
    rng, at = random.Random(7), T0
    for name in "ab":
        payments(rng, 20, T0).write_parquet(tmp_path / "files" / f"{name}.parquet")
    refreshed(store, T0)
    match what:
        case "a file changed":
            payments(rng, 21, T0).write_parquet(tmp_path / "files" / "b.parquet")
        case "a file went":
            (tmp_path / "files" / "b.parquet").unlink()
        case "redis lost it":
            client.flushall()
        case "the clock fell":
            client.flushall()
            at -= timedelta(hours=1)
        case _:
            features = tmp_path / "config" / "features" / "spend.py"
            features.write_text(FEATURES.replace("amount > 0", "amount > 1"))
    with hr.FeatureStore(tmp_path / "config") as again:
        assert refreshed(again, at)["mode"] == "full"
        with in_full(tmp_path, 0) as full:
            refreshed(full, at)
    assert served(client) == served(client, "full") != {}


def test_values_that_move_by_themselves_are_computed_each_time(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    payments(random.Random(9), 20, T0).write_parquet(tmp_path / "files" / "a.parquet")
    for hours in (0, 1):
        assert refreshed(store, T0 + timedelta(hours=hours), "fading")["mode"] == "full"
    for mode in ("full", "incremental"):
        assert refreshed(store, T0 + timedelta(hours=1), "weekly")["mode"] == mode
