"""The client in process: names and keys in, typed values and freshness out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import redis

import headrace as hr
from headrace.client import FeatureStore, OnlineFeatures, entity_of
from headrace.errors import UsageError
from headrace.settings import Settings, load_settings
from tests.definitions.cases import write_config
from tests.stack.components import EmbeddedComponents

BODY = """
route = hr.Entity("route", keys={"customer_id": hr.Int64, "merchant_id": hr.String})
by_route = hr.FeatureView(
    "by_route", version=2, entity=route, source=payments,
    features={
        "n": hr.count(over="1h"), "top": hr.max("amount", over="1h"), "seen": hr.any("amount > 5", over="1h"),
        "share": hr.ratio(hr.count(over="1h"), hr.count(over="2h")), "least": hr.min("amount", over="1h", default=-1.0),
    },
)
offline = hr.FeatureView("offline", entity=customer, source=payments, online=False, features={"c": "country"})
"""


def settings_of(config: Path, url: str, project: str) -> Settings:
    return load_settings(config, {"HEADRACE_REDIS__URL": url, "HEADRACE_PROJECT": project})


@pytest.fixture
def store(tmp_path: Path, embedded: EmbeddedComponents) -> Iterator[FeatureStore]:
    config = write_config(tmp_path / "config", BODY)
    project = embedded.unique("shop")
    with FeatureStore(config, settings=settings_of(config, embedded.redis_url, project)) as made:
        client = redis.Redis.from_url(embedded.redis_url)
        client.hset(
            f"{project}:spend@1:42",
            mapping={
                "spend_48h": "12.5",
                "_event_time": "2026-01-01T00:00:00.000000Z",
                "_as_of": "2026-01-01T00:00:01.000000Z",
                "_written_at": "2026-01-01T00:00:02.000000Z",
            },
        )
        client.hset(f"{project}:by_route@2:7|a%7Cb", mapping={"n": "3", "seen": "true"})
        client.close()
        yield made


def test_values_are_typed_and_null_is_none(store: FeatureStore) -> None:
    assert store.get_online_features("spend", 42) == {"spend_48h": 12.5, "last_country": None}
    assert store.get_online_features("spend@1", {"customer_id": 42}, ["spend_48h"]) == {"spend_48h": 12.5}


def test_many_keys_are_answered_in_their_order(store: FeatureStore) -> None:
    rows = store.multi_get_online_features("spend", [1, 42, (42,)], ["spend_48h"])
    assert rows == [{"spend_48h": 0.0}, {"spend_48h": 12.5}, {"spend_48h": 12.5}]


def test_an_entity_never_seen_reads_as_the_values_over_no_events(store: FeatureStore) -> None:
    (row,) = store.online("by_route", [{"merchant_id": "x", "customer_id": 1}])
    assert row == OnlineFeatures(
        entity={"customer_id": 1, "merchant_id": "x"},
        values={"n": 0, "top": None, "seen": False, "share": None, "least": -1.0},
        status="missing",
    )


def test_composite_keys_are_encoded_as_in_redis(store: FeatureStore) -> None:
    found = store.get_online_features("by_route", (7, "a|b"), ["n", "seen", "top"])
    assert found == {"n": 3, "seen": True, "top": None}


def test_reading_gives_keys_and_freshness_beside_the_values(store: FeatureStore) -> None:
    assert store.read("spend", [42]) == [
        {
            "customer_id": 42,
            "spend_48h": 12.5,
            "last_country": None,
            "_status": "found",
            "_event_time": 1_767_225_600_000_000,
            "_as_of": 1_767_225_601_000_000,
            "_written_at": 1_767_225_602_000_000,
        }
    ]


async def test_the_async_twins_give_the_same(store: FeatureStore) -> None:
    assert await store.aget_online_features("spend", 42) == store.get_online_features("spend", 42)
    assert await store.aread("spend", [42, 1]) == store.read("spend", [42, 1])
    assert await store.amulti_get_online_features("spend", [1]) == store.multi_get_online_features(
        "spend", [1]
    )
    await store.aclose()


def test_wrong_calls_are_told_what_there_is(store: FeatureStore) -> None:
    for call, message in (
        (lambda: store.get_online_features("spent", 1), "no view `spent`. Did you mean `spend`?"),
        (lambda: store.get_online_features("spend", 1, ["spend_24h"]), "Did you mean `spend_48h`?"),
        (lambda: store.get_online_features("spend", "x"), "expected a value of Int64, got 'x'"),
        (lambda: store.get_online_features("spend", (1, 2)), "has 1 keys (customer_id), got 2"),
        (lambda: store.get_online_features("spend", {"id": 1}), "has the keys customer_id, got id"),
        (lambda: store.get_online_features("offline", 1), "view `offline@1` is not online"),
        (lambda: store.read("spend", [1], "cold"), "no store `cold` to read from"),
    ):
        with pytest.raises(hr.UsageError) as caught:
            call()
        assert message in str(caught.value)


def test_a_dry_run_of_ingest_judges_each_record(store: FeatureStore) -> None:
    answer = store.ingest("payments", [{"payment_id": 1}], dry_run=True)
    assert (answer["accepted"], answer["rejected"]) == (0, 1)
    assert answer["diagnostics"][0]["field"] == "payment_id"


def test_one_feature_may_be_named_alone_and_keys_are_a_list(store: FeatureStore) -> None:
    assert store.get_online_features("spend", 42, "spend_48h") == {"spend_48h": 12.5}
    for keys in ("42", {"customer_id": 42}):
        with pytest.raises(UsageError, match="keys are a list, one for each entity"):
            store.multi_get_online_features("spend", keys)  # type: ignore[arg-type]


def test_records_that_are_no_list_of_events_are_a_wrong_call(store: FeatureStore) -> None:
    for records in ({"payment_id": "p"}, pl.DataFrame({"payment_id": ["p"]}), '{"payment_id": "p"}'):
        with pytest.raises(UsageError, match="records are an iterable of mappings"):
            store.ingest("payments", records, dry_run=True)  # type: ignore[arg-type]


def test_definitions_are_given_as_plain_values(tmp_path: Path) -> None:
    store = hr.FeatureStore(write_config(tmp_path / "config", BODY))
    assert [v["name"] for v in store.list_views()] == ["spend", "by_route", "offline"]
    assert store.get_view("by_route@2")["keys"] == {"customer_id": "Int64", "merchant_id": "String"}
    assert store.get_source("payments")["lateness"] == "5m"
    assert store.get_entity("customer")["keys"] == {"customer_id": "Int64"}
    assert store.list_services() == []


def test_an_embedded_store_cannot_be_read_from_outside(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config", "")
    store = FeatureStore(config, settings=load_settings(config, {}))
    with pytest.raises(hr.UsageError, match="HEADRACE_REDIS__URL"):
        store.get_online_features("spend", 1)


def test_an_entity_is_given_by_name_in_order_or_alone(tmp_path: Path) -> None:
    project = hr.load(write_config(tmp_path / "config", BODY))
    route = {"customer_id": 1, "merchant_id": "m"}
    assert entity_of(project.view("by_route"), {"merchant_id": "m", "customer_id": 1}) == route
    assert entity_of(project.view("by_route"), [1, "m"]) == route
    assert entity_of(project.view("spend"), 5) == {"customer_id": 5}


def test_what_needs_history_says_that_updates_are_not_in_it(tmp_path: Path) -> None:
    features = "features={'most': hr.max('spend_48h', over='7d')}"
    body = f"peaks = hr.FeatureView('peaks', entity=customer, source=spend, {features})\n"
    config = write_config(tmp_path / "config", body)
    store = FeatureStore(config, settings=settings_of(config, "redis://127.0.0.1:1/0", "shop"))
    spine = [{"customer_id": 1, "timestamp": datetime(2026, 1, 2, tzinfo=UTC)}]
    for call in (
        lambda: store.verify("peaks"),
        lambda: store.materialize("peaks", "2026-01-01", "2026-01-02", "1d"),
        lambda: store.backfill("peaks", "2026-01-01"),
        lambda: store.training_set(spine, ["peaks:most"]),
    ):
        with pytest.raises(UsageError, match="history keeps events, not the updates of spend@1"):
            call()
