"""`headrace get`: what a person and a program see of an entity, once and watching."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from headrace.cli.get import _plain, _watch
from headrace.cli.telling import tell_json
from headrace.cli.verbs import app
from headrace.client import FeatureStore, OnlineFeatures
from tests.definitions.cases import write_config
from tests.stack.components import EmbeddedComponents


@pytest.fixture
def shop(tmp_path: Path, embedded: EmbeddedComponents) -> tuple[str, dict[str, str]]:
    """A config folder, and the variables with which customer 42 has spent 12.5."""
    config = str(write_config(tmp_path / "config", ""))
    env = {
        "HEADRACE_PROJECT": embedded.unique("shop"),
        "HEADRACE_REDIS__URL": embedded.redis_url,
        "COLUMNS": "160",
    }
    with redis.Redis.from_url(embedded.redis_url) as client:
        values = {"spend_48h": "12.5", "last_country": "[DE]", "_event_time": "2026-01-01T00:00:00.000000Z"}
        client.hset(f"{env['HEADRACE_PROJECT']}:spend@1:42", mapping=values)
    return config, env


def test_values_are_typed_for_programs(shop: tuple[str, dict[str, str]]) -> None:
    config, env = shop
    answer = CliRunner(env=env).invoke(app, ["get", "spend", "42", "7", "--config", config, "--json"])
    assert answer.exit_code == 0
    found, missing = json.loads(answer.stdout)
    assert found["features"] == {"spend_48h": 12.5, "last_country": "[DE]"}
    assert (found["status"], found["event_time"]) == ("found", "2026-01-01T00:00:00.000000Z")
    assert found["age"] > 0
    assert missing == {
        "view": "spend",
        "version": "1",
        "entity": {"customer_id": 7},
        "features": {"spend_48h": 0.0, "last_country": None},
        "status": "missing",
        "event_time": None,
        "as_of": None,
        "written_at": None,
        "age": None,
    }


def test_not_a_number_is_no_null_for_programs(shop: tuple[str, dict[str, str]]) -> None:
    config, env = shop
    with redis.Redis.from_url(env["HEADRACE_REDIS__URL"]) as client:
        client.hset(f"{env['HEADRACE_PROJECT']}:spend@1:43", mapping={"spend_48h": "NaN"})
    answer = CliRunner(env=env).invoke(app, ["get", "spend", "43", "--config", config, "--json"])
    assert json.loads(answer.stdout)[0]["features"] == {"spend_48h": "NaN", "last_country": None}


def test_values_are_shown_with_their_freshness(shop: tuple[str, dict[str, str]]) -> None:
    config, env = shop
    answer = CliRunner(env=env).invoke(
        app, ["get", "spend", "customer_id=42", "-f", "last_country", "--config", config]
    )
    assert answer.exit_code == 0
    assert "spend@1 customer_id=42  found  newest event" in answer.stdout
    assert "[DE]" in answer.stdout
    assert "spend_48h" not in answer.stdout
    answer = CliRunner(env=env).invoke(app, ["get", "spend", "7", "--config", config])
    assert "missing  never seen" in answer.stdout
    assert "null" in answer.stdout


def looks(*rows: OnlineFeatures) -> Callable[[], list[OnlineFeatures]]:
    """A look that sees one row after another and then Ctrl-C."""
    left: Iterator[OnlineFeatures] = iter(rows)

    def look() -> list[OnlineFeatures]:
        for row in left:
            return [row]
        raise KeyboardInterrupt

    return look


ROWS = tuple(
    OnlineFeatures({"customer_id": 42}, {"spend_48h": spent, "last_country": None}, "found", written_at=0)
    for spent in (1.0, 1.0, 2.5)
)


def test_watching_as_json_prints_a_line_when_values_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FeatureStore(write_config(tmp_path / "config", ""))
    _watch(store, store.project.view("spend"), looks(*ROWS), 0.0, True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line[0]["features"]["spend_48h"] for line in lines] == [1.0, 2.5]


def test_a_number_that_json_lacks_is_the_text_of_redis_and_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        OnlineFeatures(
            {"customer_id": 42}, {"spend_48h": float(x), "last_country": None}, "found", written_at=0
        )
        for x in ("nan", "nan", "inf", "-inf")
    ]
    store = FeatureStore(write_config(tmp_path / "config", ""))
    _watch(store, store.project.view("spend"), looks(*rows), 0.0, True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line[0]["features"]["spend_48h"] for line in lines] == ["NaN", "Infinity", "-Infinity"]


def test_watching_ends_with_ctrl_c_and_leaves_the_last_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FeatureStore(write_config(tmp_path / "config", ""))
    _watch(store, store.project.view("spend"), looks(*ROWS), 0.0, False)
    shown = capsys.readouterr().out
    assert "2.5" in shown
    assert "{" not in shown


EVERY_KIND = """
kinds = hr.StreamSource(
    "kinds", format="json", key="user", timestamp="at",
    schema={
        "user": hr.String, "at": hr.Timestamp, "day": hr.Date, "price": hr.Decimal(10, 2), "raw": hr.Bytes,
        "seen": hr.List(hr.Timestamp),
    },
)
kind = hr.Entity("kind", keys={"user": hr.String})
last = hr.FeatureView(
    "last", entity=kind, source=kinds,
    features={"at": "at", "day": "day", "price": "price", "raw": "raw", "seen": "seen"},
)
"""


@pytest.mark.parametrize("watch", [False, True])
def test_what_json_lacks_is_the_text_that_redis_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], watch: bool
) -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    values = {
        "at": at,
        "day": at.date(),
        "price": Decimal("1.50"),
        "raw": b"\x01\x02",
        "seen": [at],
    }
    store = FeatureStore(write_config(tmp_path / "config", EVERY_KIND))
    row = OnlineFeatures({"user": "ada"}, values, "found", written_at=0)
    if watch:
        _watch(store, store.project.view("last"), looks(row), 0.0, True)
    else:
        tell_json([_plain(store.project.view("last"), row, 0)])
    assert json.loads(capsys.readouterr().out)[0]["features"] == {
        "at": "2026-01-01T12:00:00.000005Z",
        "day": "2026-01-01",
        "price": "1.50",
        "raw": "AQI=",
        "seen": ["2026-01-01T12:00:00.000005Z"],
    }
