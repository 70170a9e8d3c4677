"""A subject's schema changes in the registry: history, its training sets and the stream follow, events old and new."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import httpx
import orjson
import polars as pl
import pytest

import headrace as hr
from headrace.settings import load_settings
from tests.integration.deployment import Deployment, on_s3
from tests.integration.history import stored
from tests.integration.producing import Sender
from tests.stack.components import RealComponents
from tests.stack.s3 import storage_options

pytestmark = pytest.mark.integration

T0 = datetime(2026, 1, 10, tzinfo=UTC)
AT = {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}
USER = {"name": "user", "type": "string"}
FIRST = [USER, AT, {"name": "amount", "type": "int"}, {"name": "note", "type": "string", "default": ""}]
SECOND = [  # `amount` is promoted, `note` is gone, `currency` has come
    USER,
    AT,
    {"name": "amount", "type": "long"},
    {"name": "currency", "type": "string", "default": "EUR"},
]
VIEW = """
spend = hr.FeatureView(
    "spend", entity=user, source=payments,
    features={"spent": hr.sum("amount", over="1d"), "in_euros": hr.count(where="currency = 'EUR'", over="1d")},
)
"""


def schema(fields: list[Any]) -> dict[str, Any]:
    return {"type": "record", "name": "Payment", "namespace": "shop", "fields": fields}


def registered(real: RealComponents, subject: str, fields: list[Any]) -> int:
    url = f"{real.registry_url}/subjects/{subject}/versions"
    answer = httpx.post(url, json={"schema": orjson.dumps(schema(fields)).decode()}, timeout=30)
    answer.raise_for_status()
    return int(answer.json()["id"])


def framed(id: int, fields: list[Any], event: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema(fields)), event)
    return b"\x00" + struct.pack(">I", id) + out.getvalue()


def payment(i: int, **more: Any) -> dict[str, Any]:
    return {"user": f"u{i % 3}", "at": T0 + timedelta(minutes=i), "amount": i, **more}


def test_a_field_is_promoted_one_is_added_and_one_is_gone(real: RealComponents, tmp_path: Path) -> None:
    uri = real.history_uri("evolving")
    settings = {**on_s3(uri, real.s3_url), "HEADRACE_ENGINE__CLOCK": "event"}
    with Deployment(tmp_path, real, "evolving", {"payments": 2}, settings) as deployment:
        topic = deployment.topics["payments"]
        file = deployment.config / "features" / "payments.py"
        file.write_text(file.read_text().replace("payments-value", f"{topic}-value"))
        sender = Sender(real.kafka)

        def send(id: int, fields: list[Any], events: list[dict[str, Any]]) -> None:
            for event in events:
                sender.send(topic, event["user"].encode(), framed(id, fields, event))
            sender.flush()

        old = registered(real, f"{topic}-value", FIRST)
        send(old, FIRST, [payment(i, note="n") for i in range(30)])
        deployment.run("history")
        new = registered(real, f"{topic}-value", SECOND)
        more = [payment(i, amount=2**40 + i, currency="USD") for i in range(30, 60)]
        send(new, SECOND, more)
        send(old, FIRST, [payment(i, note="late to change") for i in range(60, 66)])
        file.write_text(file.read_text() + VIEW)
        deployment.run("history")
        deployment.run("worker")

        table = f"{uri}/{deployment.project}/sources/payments"
        rows = stored(table, storage_options(real.s3_url)).sort("at")
        assert rows.schema["amount"] == pl.Int64()
        assert rows["amount"].to_list() == [*range(30), *(2**40 + i for i in range(30, 60)), *range(60, 66)]
        assert rows["note"].to_list() == ["n"] * 30 + [None] * 36
        assert rows["currency"].to_list() == [None] * 30 + ["USD"] * 30 + ["EUR"] * 6

        users = ["u0", "u1", "u2"]
        spine = pl.DataFrame({"user": users, "timestamp": [T0 + timedelta(minutes=65)] * 3})
        with hr.FeatureStore(
            deployment.config, settings=load_settings(deployment.config, deployment.environment)
        ) as store:
            made = store.training_set(spine, "spend")
            online = store.multi_get_online_features("spend", users)
        assert made["spent"].to_list() == [
            sum(i + (2**40 if 30 <= i < 60 else 0) for i in range(66) if i % 3 == user) for user in range(3)
        ]
        assert made["in_euros"].to_list() == [12, 12, 12]
        assert [{n: made[n][i] for n in ("spent", "in_euros")} for i in range(3)] == online
