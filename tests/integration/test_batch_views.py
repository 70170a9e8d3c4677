"""Batch views: files in, the same values offline and online, on schedule and over deaths."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import redis
from typer.testing import CliRunner

import headrace as hr
from app.embedded.redis import EmbeddedRedis
from headrace.cli.verbs import app
from headrace.errors import FencedError, StateError, UsageError
from headrace.offline.jobs import folder_of, run
from headrace.offline.refreshing import Online, refresh
from headrace.offline.sources import FileEvents
from headrace.offline.submitting import refresh_record, work_of
from headrace.online.keys import KeySpace
from headrace.online.write import OnlineWriter
from tests.integration.jobs_process import run_jobs
from tests.integration.shop import configured

NOW = datetime.now(UTC).replace(microsecond=0)
FEATURES = """
import headrace as hr

user = hr.Entity("user", keys={"user": hr.String})
files = hr.BatchSource(
    "payments", path="../files", timestamp="at", schema={"user": hr.String, "amount": hr.Float64, "at": hr.Timestamp}
)
spend = hr.FeatureView(
    "spend", entity=user, source=files, refresh="1h", ttl="30d",
    features={"spent_7d": hr.sum("amount", over="7d"), "last": "amount", "paid_ever": hr.count(over=hr.lifetime())},
)
"""


def put(home: Path, name: str, *events: tuple[str, float, float]) -> None:
    """A file of (user, amount, days ago)."""
    rows = [{"user": u, "amount": a, "at": NOW - timedelta(days=d)} for u, a, d in events]
    pl.DataFrame(rows).write_parquet(home / "files" / f"{name}.parquet")


@pytest.fixture
def config(tmp_path: Path, redis_server: EmbeddedRedis, client: redis.Redis) -> Path:
    (tmp_path / "files").mkdir()
    put(tmp_path, "a", ("ann", 1.5, 1), ("ann", 2.0, 9), ("bob", 4.0, 2), ("old", 9.0, 40), ("ann", 8.0, -1))
    return configured(tmp_path, FEATURES, redis_url=redis_server.url)


@pytest.fixture
def store(config: Path) -> Iterator[hr.FeatureStore]:
    with hr.FeatureStore(config) as opened:
        yield opened


def hashes(client: redis.Redis) -> dict[str, dict[str, str]]:
    """What every reader sees, without the fence."""
    return {k: client.hgetall(k) for k in sorted(client.scan_iter("shop:spend@1:*"))}  # type: ignore[misc]


def spine(at: datetime, *users: str) -> pl.DataFrame:
    return pl.DataFrame({"user": users, "timestamp": [at] * len(users)})


def test_a_refresh_writes_what_a_training_set_says(
    store: hr.FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    job = store.refresh("spend").wait(120)
    assert (job.state, job.progress) == ("done", (2, 2))
    got = hashes(client)
    assert list(got) == ["shop:spend@1:ann", "shop:spend@1:bob"]  # the ttl of `old` is over
    ann = got["shop:spend@1:ann"]
    assert (ann["spent_7d"], ann["last"], ann["paid_ever"]) == ("1.5", "1.5", "2")  # not what is to come
    assert ann["_event_time"] == (NOW - timedelta(days=1)).isoformat().replace("+00:00", ".000000Z")
    left = timedelta(milliseconds=client.pttl("shop:spend@1:ann"))  # type: ignore[arg-type]
    assert timedelta(days=28) < left <= timedelta(days=29)
    table = pl.read_delta(str(tmp_path / "lake/shop/views/spend@1")).sort("user")
    at = table["_as_of"][0]
    assert ann["_as_of"] == f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
    wanted = store.training_set(spine(at, "ann", "bob"), "spend")
    for name in ("user", "spent_7d", "last", "paid_ever"):
        assert table[name].equals(wanted[name])
    assert store.get_online_features("spend", "bob") == {"spent_7d": 4.0, "last": 4.0, "paid_ever": 1}
    assert store.verify("spend").mismatches == ()


def test_the_next_refresh_takes_what_changed_and_removes_what_is_gone(
    store: hr.FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    store.refresh("spend").wait(120)
    before = hashes(client)["shop:spend@1:ann"]["_as_of"]
    client.hset("shop:spend@2:cid", "last", "1")
    put(tmp_path, "a", ("ann", 3.0, 1), ("cid", 5.0, 1))
    store.refresh("spend", limit=1).wait(120)
    got = hashes(client)
    assert {k: v["paid_ever"] for k, v in got.items()} == {"shop:spend@1:ann": "1", "shop:spend@1:cid": "1"}
    assert got["shop:spend@1:ann"]["_as_of"] > before
    assert client.hgetall("shop:spend@2:cid") == {"last": "1"}  # another version is another's
    instants = pl.read_delta(str(tmp_path / "lake/shop/views/spend@1"))["_as_of"].n_unique()
    assert instants == 2


def test_a_limit_lets_so_many_entities_a_second_through(
    store: hr.FeatureStore, client: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    put(tmp_path, "b", *((f"u{i}", 1.0, 1) for i in range(5)))
    clock, seen = [int(NOW.timestamp() * 1e6)], []

    def sleep(seconds: float) -> None:
        clock[0] += round(seconds * 1e6)
        seen.append((len(hashes(client)), clock[0] - int(NOW.timestamp() * 1e6)))

    plan = store.project.plan("spend")
    online = Online(redis_server.url, KeySpace("shop", "spend", "1"), lambda: clock[0], sleep, limit=2)
    record = refresh_record(store.project, store.settings, store.project.view("spend"), clock[0])
    source = store.project.source("payments")
    events = FileEvents.open(source, str(tmp_path / "files"))
    at = record.arguments["at"]
    done = run(
        folder_of(store.settings),
        record.id,
        lambda job: refresh(plan, events, at, job, offline=None, online=online),
    )
    assert done.state == "done"
    assert seen == [(2, 1_000_000), (3, 2_000_000), (5, 3_000_000), (7, 4_000_000)]  # `old` is removed


def test_a_refresh_that_slept_through_a_later_one_writes_nothing(
    store: hr.FeatureStore, client: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    later = (NOW + timedelta(hours=1)).timestamp()
    with OnlineWriter(redis_server.url) as writer:
        writer.claim(KeySpace("shop", "spend", "1").fence_key(0), int(later * 1e6))
    job = store.refresh("spend")
    with pytest.raises(FencedError):
        job.wait(120)
    assert (job.state, hashes(client)) == ("failed", {})


def test_what_cannot_be_refreshed_is_told(config: Path, store: hr.FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a limit is a number of entities a second, not 0"):
        store.refresh("spend", limit=0)
    (tmp_path / "files" / "a.parquet").unlink()
    (tmp_path / "files").rmdir()
    with pytest.raises(StateError, match="there are no files at"):
        store.refresh("spend").wait(120)
    toml = config / "headrace.toml"
    toml.write_text('project = "shop"\n[redis]\nurl = "embedded"\n')
    with hr.FeatureStore(config) as inside, pytest.raises(UsageError, match="or online=False"):
        inside.refresh("spend")


def test_the_process_refreshes_what_is_due_and_nothing_else(config: Path, client: redis.Redis) -> None:
    assert run_jobs(config).exit_code == 0
    first = hashes(client)
    assert list(first) == ["shop:spend@1:ann", "shop:spend@1:bob"]
    assert run_jobs(config).exit_code == 0  # an hour is not over
    assert hashes(client) == first
    listed = CliRunner().invoke(app, ["jobs", "list", "--json", "--config", str(config)])
    assert [(j["kind"], j["state"], j["finished"]) for j in json.loads(listed.stdout)] == [
        ("refresh", "done", 2)
    ]


def test_a_refresh_that_fails_is_told_and_tried_again(
    config: Path, client: redis.Redis, tmp_path: Path
) -> None:
    (tmp_path / "files" / "a.parquet").rename(tmp_path / "a.parquet")
    (tmp_path / "files").rmdir()
    assert run_jobs(config).exit_code == 1
    (tmp_path / "files").mkdir()
    (tmp_path / "a.parquet").rename(tmp_path / "files" / "a.parquet")
    assert run_jobs(config).exit_code == 0
    assert list(hashes(client)) == ["shop:spend@1:ann", "shop:spend@1:bob"]


def test_a_view_that_falls_behind_its_target_is_told(
    config: Path, store: hr.FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    hours_ago = int((NOW - timedelta(hours=3)).timestamp() * 1e6)
    record = refresh_record(store.project, store.settings, store.project.view("spend"), hours_ago)
    run(folder_of(store.settings), record.id, work_of(store.project, store.settings, record))
    (tmp_path / "files" / "a.parquet").rename(tmp_path / "a.parquet")
    done = run_jobs(config)
    assert done.exit_code == 1
    assert re.search(r"spend@1 is 1\d{4} s behind: its refresh= is 3600 s", done.stderr)
    (told,) = store.status()["refreshes"]
    assert (told["view"], told["late"], told["state"], told["mode"]) == ("spend@1", True, "failed", "full")
    assert told["target_seconds"] == 3600 < 3 * 3600 < told["seconds_ago"]
    assert "there are no files at" in told["error"]
    assert told["newest_event"] == f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    (tmp_path / "a.parquet").rename(tmp_path / "files" / "a.parquet")
    assert run_jobs(config).exit_code == 0
    (told,) = store.status()["refreshes"]
    assert (told["late"], told["state"], told["mode"]) == (False, "done", "incremental")


def test_a_refresh_that_was_killed_is_taken_up_with_its_instant(
    config: Path, store: hr.FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    record = refresh_record(
        store.project, store.settings, store.project.view("spend"), 1 + int(NOW.timestamp() * 1e6)
    )
    died = subprocess.run([sys.executable, "-c", DIES, str(config), record.id], timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL
    folder = folder_of(store.settings)
    assert (folder.get(record.id).state, folder.get(record.id).finished) == ("running", ("offline",))
    assert hashes(client) == {}
    assert run_jobs(config).exit_code == 0
    assert folder.get(record.id).state == "done"
    table = pl.read_delta(str(tmp_path / "lake/shop/views/spend@1"))
    assert table["_as_of"].unique().to_list() == [NOW + timedelta(microseconds=1)]
    assert {h["_as_of"] for h in hashes(client).values()} == {f"{table['_as_of'][0]:%Y-%m-%dT%H:%M:%S.%fZ}"}


DIES = """
import os, signal, sys
import headrace as hr
from headrace.offline import refreshing
from headrace.offline.jobs import folder_of, run
from headrace.offline.submitting import work_of

refreshing._written = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
store = hr.FeatureStore(sys.argv[1])
folder = folder_of(store.settings)
run(folder, sys.argv[2], work_of(store.project, store.settings, folder.get(sys.argv[2])))
"""
