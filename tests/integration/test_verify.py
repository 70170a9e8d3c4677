"""`headrace verify`: online equals history, and each way in which it may not is found and named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
from deltalake import DeltaTable
from typer.testing import CliRunner

import headrace as hr
from app.embedded.redis import EmbeddedRedis
from headrace.cli.verbs import app
from headrace.history.retention import retire
from headrace.history.schema import HistorySchema
from headrace.history.table import HistoryTable
from tests.app.test_jobs_metrics import port
from tests.integration.jobs_process import run_jobs
from tests.integration.shop import PAY, configured

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
FEATURES = f"""{PAY}
spend = hr.FeatureView(
    "spend",
    entity=user,
    source=pay,
    features={{"spent_7d": hr.sum("amount", over="7d"), "last": "amount", "paid_ever": hr.count(over=hr.lifetime())}},
    ttl="30d",
)
older = hr.FeatureView("spend", version=0, entity=user, source=pay, features={{"last": "amount"}})
"""


@pytest.fixture
def config(tmp_path: Path, redis_server: EmbeddedRedis, client: redis.Redis) -> Path:
    """A store that is right: forty users' events in history, their features in Redis as a worker writes them."""
    config = configured(tmp_path, FEATURES, redis_url=redis_server.url)
    events = payments()
    run = hr.testing.run(hr.load(config).view("spend@1"), now=NOW)
    run.push(events)
    for key, fields in run.redis().items():
        client.hset(key, mapping=dict(fields))
    keep(tmp_path, events, 0, NOW - timedelta(hours=2))
    return config


def payments() -> list[dict[str, Any]]:
    return [
        {"user": f"u{i % 40}", "amount": i * 0.1, "at": NOW - timedelta(hours=300 - i)} for i in range(300)
    ]


def keep(home: Path, events: list[dict[str, Any]], first: int, recorded: datetime) -> None:
    """Add events to history, in the log since `recorded`."""
    source = hr.load(home / "config").source("pay")
    table = HistoryTable(
        f"{home}/lake/shop/sources/pay", HistorySchema(source.columns, "at"), writer="headrace/shop/pay"
    )
    table.open_or_create()
    instant = pl.Datetime("us", "UTC")
    rows = pl.DataFrame(events, schema={n: t.polars for n, t in source.columns.items()}).with_columns(
        _topic=pl.lit("pay"),
        _partition=pl.lit(0, dtype=pl.Int32),
        _offset=pl.int_range(first, first + len(events), dtype=pl.Int64),
        _timestamp=pl.lit(recorded).cast(instant),
        _ingested_at=pl.lit(NOW).cast(instant),
    )
    table.append(rows, {("pay", 0): (first, first + len(events))})


def verified(config: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["verify", "spend", "--config", str(config), "--json", *words])
    return done.exit_code, json.loads(done.stdout)


def reasons(told: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(m["entity"], m["feature"], m["reason"]) for m in told["mismatches"]}


def test_a_right_store_matches(config: Path) -> None:
    code, told = verified(config)
    assert (code, told["checked"], told["matched"], told["rate"], told["mismatches"]) == (0, 40, 40, 1.0, [])
    code, told = verified(config, "--sample", "10", "--seed", "3")
    assert code == 0
    assert 6 <= told["checked"] == told["matched"] <= 12


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("paid_ever", "9", "twice"),
        ("paid_ever", "6", "lost"),
        ("last", "0.5", "value"),
        ("last", "26.7000001", "float"),
    ],
)
def test_a_corrupted_value_is_found(
    config: Path, client: redis.Redis, field: str, value: str, reason: str
) -> None:
    client.hset("shop:spend@1:u27", field, value)
    code, told = verified(config)
    assert code == 1
    assert told["matched"] == 39
    assert reasons(told) == {("u27", field, reason)}


def test_a_value_that_cannot_be_read_is_found(config: Path, client: redis.Redis) -> None:
    client.hset("shop:spend@1:u27", "paid_ever", "many")
    assert reasons(verified(config)[1]) == {("u27", "", "unreadable")}


def test_an_entity_that_is_not_there_is_lost_or_of_another_version(config: Path, client: redis.Redis) -> None:
    client.delete("shop:spend@1:u27", "shop:spend@1:u28")
    client.hset("shop:spend@0:u28", mapping={"last": "26.8"})
    told = verified(config)[1]
    assert {(m["entity"], m["reason"]) for m in told["mismatches"]} == {("u27", "lost"), ("u28", "version")}


def test_an_entity_whose_ttl_is_over_is_found(config: Path, client: redis.Redis) -> None:
    later = (NOW + timedelta(days=60)).isoformat().replace("+00:00", ".000000Z")
    client.hset("shop:spend@1:u27", "_as_of", later)
    assert {m["reason"] for m in verified(config)[1]["mismatches"]} == {"expired"}


def test_an_event_that_came_after_the_write_is_told_as_late(config: Path, client: redis.Redis) -> None:
    earlier = (NOW - timedelta(hours=1)).isoformat().replace("+00:00", ".000000Z")
    event = {"user": "u27", "amount": 5.0, "at": NOW - timedelta(hours=200)}
    keep(config.parent, [event], 300, NOW)
    assert reasons(verified(config)[1]) == {("u27", "paid_ever", "lost")}
    client.hset("shop:spend@1:u27", "_written_at", earlier)
    assert reasons(verified(config)[1]) == {("u27", "paid_ever", "late")}


def test_events_that_history_has_not_yet_are_no_mismatch(config: Path, client: redis.Redis) -> None:
    ahead = (NOW + timedelta(minutes=1)).isoformat().replace("+00:00", ".000000Z")
    client.hset("shop:spend@1:u27", mapping={"_event_time": ahead, "_written_at": ahead, "paid_ever": "8"})
    code, told = verified(config)
    assert (code, told["ahead"], told["checked"], told["mismatches"]) == (0, 1, 39, [])


def test_events_that_history_lost_are_found(config: Path, client: redis.Redis) -> None:
    keep(config.parent, [{"user": "u40", "amount": 1.0, "at": NOW}], 300, NOW + timedelta(minutes=1))
    client.hset("shop:spend@1:u40", mapping={"spent_7d": "1.0", "last": "1.0", "paid_ever": "1"})
    table = DeltaTable(config.parent / "lake/shop/sources/pay")
    table.delete("user = 'u27' and amount > 20")
    table.delete("user = 'u28' and amount < 3")
    code, told = verified(config)
    assert {(m["entity"], m["reason"]) for m in told["mismatches"]} == {("u27", "history"), ("u28", "twice")}
    assert code == 1


def test_events_that_history_lost_are_named_and_fail_unless_that_is_allowed(config: Path) -> None:
    keep(config.parent, [{"user": "u40", "amount": 1.0, "at": NOW - timedelta(days=40)}], 300, NOW)
    DeltaTable(config.parent / "lake/shop/sources/pay").delete("_offset = 300")  # of nobody who is served
    code, told = verified(config)
    assert (code, told["mismatches"]) == (1, [])
    assert told["gaps"] == [{"topic": "pay", "partition": 0, "events": 1, "offsets": [[300, 301]]}]
    assert verified(config, "--allow-gaps")[0] == 0
    said = CliRunner().invoke(app, ["verify", "spend", "--config", str(config)])
    assert "history has lost events: pay/0 lacks 1 event at offsets 300" in said.stdout


def test_a_corruption_of_state_is_found_once_it_is_shown(config: Path, client: redis.Redis) -> None:
    run = hr.testing.run(hr.load(config).view("spend@1"), now=NOW)
    run.push(payments())
    state = run._views["spend"]._state
    for place, key in [at for at in state if b"u27" in at[1]]:  # what u27 had is what u28 had
        state[place, key] = state.get((place, key.replace(b"u27", b"u28")), state[place, key])
    event = {"user": "u27", "amount": 5.0, "at": NOW}
    run.push([event])
    keep(config.parent, [event], 300, NOW - timedelta(hours=1))
    client.hset("shop:spend@1:u27", mapping=dict(run.redis()["shop:spend@1:u27"]))
    code, told = verified(config)
    assert code == 1
    assert {m["entity"] for m in told["mismatches"]} == {"u27"}
    assert "spent_7d" in {m["feature"] for m in told["mismatches"]}


def test_what_retention_took_out_of_history_is_no_mismatch(config: Path, client: redis.Redis) -> None:
    uri, writer = f"{config.parent}/lake/shop/sources/pay", "headrace/shop/pay"
    retire(uri, writer, (NOW - timedelta(days=8)).date())  # all of `spent_7d` is still there
    code, told = verified(config)
    assert (code, told["checked"], told["matched"], told["gaps"]) == (0, 40, 40, [])
    client.hset("shop:spend@1:u27", mapping={"spent_7d": "1.0", "paid_ever": "99"})
    assert reasons(verified(config)[1]) == {
        ("u27", "spent_7d", "lost")
    }  # a lifetime cannot be compared any more
    retire(uri, writer, (NOW + timedelta(days=2)).date())
    assert verified(config)[1]["checked"] == 0


def test_the_jobs_process_verifies_samples_and_says_what_differs(config: Path, client: redis.Redis) -> None:
    features = FEATURES.replace("older = ", "older = None and ")
    (config / "features" / "spend.py").write_text(features)
    assert run_jobs(config, "--sample", "80").exit_code == 0
    client.hset("shop:spend@1:u27", "paid_ever", "9")
    done = run_jobs(config, "--sample", "80")
    assert done.exit_code == 1
    assert "verify spend@1: 39 of 40 entities match" in done.stderr
    assert "u27 paid_ever twice" in done.stderr


def test_the_rate_of_what_matches_is_on_the_port(config: Path, client: redis.Redis) -> None:
    rate = 'headrace_verify_match_rate{view="spend@1"}'
    with hr.FeatureStore(config) as store:
        with port(store) as says:
            assert says(rate) == 1.0
        client.hset("shop:spend@1:u27", "paid_ever", "9")
        with port(store) as says:
            assert says(rate) == 39 / 40
            assert says('headrace_verify_mismatches_total{reason="twice",view="spend@1"}') == 1


def test_people_are_told_in_a_table(config: Path, client: redis.Redis) -> None:
    client.hset("shop:spend@1:u27", "paid_ever", "9")
    done = CliRunner().invoke(app, ["verify", "spend@1", "--config", str(config)])
    assert done.exit_code == 1
    assert "spend@1: 39 of 40 entities match (97.50%)" in done.stdout
    assert "twice" in done.stdout
