"""A bare name is answered by the promoted version, and before any promotion never by a shadow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
from typer.testing import CliRunner

import headrace as hr
from headrace.cli.verbs import app
from headrace.client import FeatureStore
from headrace.errors import StateError, UnavailableError, UsageError
from headrace.offline.metadata import TrainingSet
from headrace.serving import serving, shadows
from tests.definitions.cases import write_config
from tests.stack.components import EmbeddedComponents
from tests.test_client import settings_of

BODY = """
def count(version, backfill=None, **options):
    return hr.FeatureView(
        options.pop("name", "visits"), version=version, entity=customer, source=options.pop("source", payments),
        backfill=backfill, features={"n": hr.count(over="1h")}, **options,
    )

first, second, third, fourth = count(1), count(2), count(3, "30d"), count(10, "90d")
filled = [count(1, "30d", name="filled"), count(2, "30d", name="filled")]
files = hr.BatchSource("files", path="../files", timestamp="at", schema={"customer_id": hr.Int64, "at": hr.Timestamp})
rated = count(2, name="rated", source=files)
hidden = count(2, name="hidden", online=False)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "config", BODY)


@pytest.fixture
def store(config: Path, embedded: EmbeddedComponents) -> Iterator[FeatureStore]:
    project = embedded.unique("shop")
    with FeatureStore(config, settings=settings_of(config, embedded.redis_url, project)) as made:
        with redis.Redis.from_url(embedded.redis_url) as client:
            for version in (1, 2, 3, 10):
                client.hset(f"{project}:visits@{version}:42", "n", str(version))
        yield made


def test_before_any_promotion_the_newest_version_serves_that_is_no_shadow(config: Path) -> None:
    project = hr.load(config)
    assert serving(project, "visits", {}).id == "visits@2"
    assert [v.id for v in shadows(project, "visits", {})] == ["visits@3", "visits@10"]
    assert serving(project, "spend", {}).id == "spend@1"
    assert (
        serving(project, "filled", {}).id == "filled@1"
    )  # all begin with history: the oldest was there first


def test_the_promoted_version_serves_until_it_is_declared_no_more(config: Path) -> None:
    project = hr.load(config)
    assert serving(project, "visits", {"visits": "10", "filled": "1"}).id == "visits@10"
    assert shadows(project, "visits", {"visits": "10"}) == []
    assert serving(project, "visits", {"visits": "1"}).id == "visits@1"
    assert serving(project, "visits", {"visits": "7"}).id == "visits@2"
    with pytest.raises(UsageError, match="Did you mean `visits`"):
        serving(project, "visit", {})


def test_a_read_by_name_follows_the_promotion_and_one_by_version_does_not(store: FeatureStore) -> None:
    assert store.get_online_features("visits", 42) == {"n": 2}
    assert store.get_online_features("visits@3", 42) == {"n": 3}
    assert store.promote("visits@3") == {"view": "visits", "version": "3", "before": "2"}
    assert store.get_online_features("visits", 42) == {"n": 3}
    assert store.get_online_features(store.project.view("visits@1"), 42) == {"n": 1}

    async def read() -> list[dict[str, object]]:
        got = [await store.aget_online_features(v, 42) for v in ("visits", "visits@10")]
        await store.aclose()
        return got

    assert asyncio.run(read()) == [{"n": 3}, {"n": 10}]
    assert store.promote("visits@1")["before"] == "3"
    assert store.get_online_features("visits", 42) == {"n": 1}


def test_a_batch_view_that_was_never_refreshed_is_promoted_by_force_alone(store: FeatureStore) -> None:
    with pytest.raises(StateError, match="`rated@2` is a shadow still: it was never refreshed"):
        store.promote("rated")
    assert store.promote("rated", force=True)["version"] == "2"


def test_what_is_not_online_cannot_be_promoted(store: FeatureStore, config: Path) -> None:
    with pytest.raises(UsageError, match="`hidden@2` is not online"):
        store.promote("hidden")
    with FeatureStore(config) as inside, pytest.raises(UsageError, match=r"redis\.url is `embedded`"):
        inside.promote("visits")


def test_the_commands_promote_and_read_by_name(
    store: FeatureStore, config: Path, embedded: EmbeddedComponents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_REDIS__URL", embedded.redis_url)
    monkeypatch.setenv("HEADRACE_PROJECT", store.settings.project)

    def told(*words: str) -> object:
        return json.loads(CliRunner().invoke(app, [*words, "--json", "--config", str(config)]).stdout)

    assert told("get", "visits", "42")[0]["version"] == "2"  # type: ignore[index]
    assert told("promote", "visits@10") == {"view": "visits", "version": "10", "before": "2"}
    row = told("get", "visits", "42")[0]  # type: ignore[index]
    assert (row["version"], row["features"]) == ("10", {"n": 10})


def test_a_training_set_by_name_is_of_the_version_that_serves(store: FeatureStore) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    past = pl.DataFrame(
        {"payment_id": ["p"], "customer_id": [42], "amount": [1.0], "country": ["DE"], "paid_at": [at]}
    )
    spine = [{"customer_id": 42, "timestamp": at}]

    def made(features: Any, **options: Any) -> TrainingSet:
        return store.training_set(spine, features, events={"payments": past}, **options)

    first = made("visits")
    assert list(first.metadata["views"]) == ["visits@2"]
    store.promote("visits@10")
    assert list(made(["visits:n"]).metadata["views"]) == ["visits@10"]
    assert list(made("visits@3").metadata["views"]) == ["visits@3"]
    assert made("visits", at_version=first).metadata == first.metadata


def test_a_bare_name_asks_to_be_a_version_where_nobody_knows_what_was_promoted(config: Path) -> None:
    with (
        FeatureStore(config, settings=settings_of(config, "redis://127.0.0.1:1", "shop")) as away,
        pytest.raises(UnavailableError, match="name one of visits@1, visits@2, visits@3, visits@10"),
    ):
        away.training_set([{"customer_id": 42, "timestamp": "2026-01-01"}], "visits:n")


def test_status_tells_shadows_and_what_they_wait_for(store: FeatureStore) -> None:
    def told() -> list[tuple[str, str, str | None]]:
        return [(s["view"], s["serving"], s["waits_for"]) for s in store.status()["shadows"]]

    assert told() == [
        ("filled@2", "filled@1", None),
        ("visits@3", "visits@2", None),
        ("visits@10", "visits@2", None),
    ]
    store.promote("visits@3")
    assert ("visits@10", "visits@3", None) in told()
    assert store.status()["refreshes"] == [
        {
            "view": "rated@2", "as_of": None, "newest_event": None, "seconds_ago": None, "target_seconds": None,
            "late": False, "state": None, "mode": None, "error": None,
        }
    ]  # fmt: skip
