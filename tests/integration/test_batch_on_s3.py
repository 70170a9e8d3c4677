"""A batch source on S3, as Parquet files and as a Delta table: training sets, refreshes and an outage in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import redis
from deltalake import write_deltalake

import headrace as hr
from app.embedded.redis import EmbeddedRedis
from headrace.errors import UsageError
from headrace.settings import load_settings
from tests.integration.deployment import on_s3
from tests.integration.shop import configured
from tests.stack.s3 import S3, storage_options

NOW = datetime.now(UTC).replace(microsecond=0)
FEATURES = """
import headrace as hr

user = hr.Entity("user", keys={{"user": hr.String}})
files = hr.BatchSource(
    "payments", path="{path}", timestamp="at", schema={{"user": hr.String, "amount": hr.Float64, "at": hr.Timestamp}}
)
spend = hr.FeatureView(
    "spend", entity=user, source=files, refresh="1h",
    features={{"spent_7d": hr.sum("amount", over="7d"), "last": "amount", "paid_ever": hr.count(over=hr.lifetime())}},
)
"""
FIRST = [("ann", 1.5, 1), ("ann", 2.0, 9), ("bob", 4.0, 2), ("cid", 1.0, 3)]
SECOND = [("ann", 3.0, 0.5), ("dan", 9.0, 4)]


def frame(payments: list[tuple[str, float, float]]) -> pl.DataFrame:
    """Of (user, amount, days ago)."""
    return pl.DataFrame([{"user": u, "amount": a, "at": NOW - timedelta(days=d)} for u, a, d in payments])


def put(path: str, name: str, payments: list[tuple[str, float, float]], s3: S3) -> None:
    """Add events to the source: a Parquet file by name, or a commit to the Delta table."""
    if path.endswith("delta"):
        write_deltalake(
            path, frame(payments).to_arrow(), mode="append", storage_options=storage_options(s3.url)
        )
        return
    given = {k: v for k, v in storage_options(s3.url).items() if k.startswith("AWS")}
    frame(payments).write_parquet(f"{path}/{name}.parquet", storage_options=given)


@pytest.fixture(params=["parquet", "delta"])
def path(request: pytest.FixtureRequest, s3: S3) -> str:
    """Where the source's first events are."""
    made = f"s3://lake/{request.node.name.replace('[', '/').replace(']', '')}/{request.param}"
    put(made, "a", FIRST, s3)
    return made


@pytest.fixture(params=["local", "s3"])
def store(
    request: pytest.FixtureRequest,
    path: str,
    s3: S3,
    redis_server: EmbeddedRedis,
    client: redis.Redis,
    tmp_path: Path,
) -> Iterator[hr.FeatureStore]:
    """The source is on S3; what is written offline is on a local folder, or there, too."""
    config = configured(tmp_path, FEATURES.format(path=path), redis_url=redis_server.url)
    uri = str(tmp_path / "lake") if request.param == "local" else f"{path.rpartition('/')[0]}/lake"
    with hr.FeatureStore(config, settings=load_settings(config, on_s3(uri, s3.url))) as opened:
        yield opened


def spine(at: datetime, *users: str) -> pl.DataFrame:
    return pl.DataFrame({"user": users, "timestamp": [at] * len(users)})


def test_files_on_s3_give_what_they_give_at_hand(store: hr.FeatureStore, path: str, s3: S3) -> None:
    asked = spine(NOW, "ann", "bob", "dan")
    first = store.training_set(asked, "spend")
    assert first.equals(store.training_set(asked, "spend", events={"payments": frame(FIRST)}))
    assert first["paid_ever"].to_list() == [2, 1, 0]
    put(path, "b", SECOND, s3)
    second = store.training_set(asked, "spend")
    assert second.equals(store.training_set(asked, "spend", events={"payments": frame(FIRST + SECOND)}))
    assert second["paid_ever"].to_list() == [3, 1, 1]
    if path.endswith("delta"):
        assert store.training_set(asked, "spend", at_version=first).equals(first)
    else:
        with pytest.raises(UsageError, match=r"the files at s3://.* have changed since"):
            store.training_set(asked, "spend", at_version=first)


def test_files_on_s3_are_refreshed_online_and_offline(
    store: hr.FeatureStore, path: str, s3: S3, client: redis.Redis
) -> None:
    store.refresh("spend").wait(120)
    assert client.hget("shop:spend@1:ann", "paid_ever") == "2"
    put(path, "b", SECOND, s3)
    told = store.refresh("spend").wait(120)
    assert told.folder.get(told.id).result["mode"] == "incremental"
    users = ("ann", "bob", "cid", "dan")
    kept = store.read("spend", list(users), store="offline")
    as_of = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(str(kept[0]["_as_of"])))
    wanted = store.training_set(spine(as_of, *users), "spend", events={"payments": frame(FIRST + SECOND)})
    for name in ("spent_7d", "last", "paid_ever"):
        assert [row[name] for row in kept] == wanted[name].to_list()
        served = store.multi_get_online_features("spend", list(users), [name])
        assert [row[name] for row in served] == wanted[name].to_list()


@pytest.mark.parametrize("path", ["parquet"], indirect=True)
@pytest.mark.parametrize("store", ["local"], indirect=True)
def test_a_file_or_a_glob_on_s3_is_a_source_too(
    store: hr.FeatureStore, path: str, s3: S3, tmp_path: Path
) -> None:
    put(path, "b", SECOND, s3)
    features = tmp_path / "config" / "features" / "spend.py"
    for name, count in (("/*.parquet", 3), ("/b.parquet", 1), ("/a*", 2)):
        features.write_text(FEATURES.format(path=path + name))
        with hr.FeatureStore(tmp_path / "config", settings=store.settings) as again:
            got = again.training_set(spine(NOW, "ann"), "spend:paid_ever")
            assert got["paid_ever"].to_list() == [count]
