"""Events in, and what people see of them afterwards: acknowledged records, dead letters, status."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from fastavro import parse_schema, schemaless_reader
from typer.testing import CliRunner

import headrace as hr
from app.dead_letters import dead_letter, dead_letters
from app.ingesting import encoder_of, ingest, key_of, parsed
from app.reading import read_to_end
from app.status import status
from headrace.cli.verbs import app
from headrace.definitions import StreamSource
from headrace.errors import UnavailableError, UsageError
from headrace.loading import load
from headrace.project import Project
from headrace.settings import Settings, load_settings
from headrace.topics import dead_letter_topic
from tests.definitions.cases import SCHEMA, write_config
from tests.stack.components import Components

EVENT = {
    "payment_id": "p1",
    "customer_id": 42,
    "merchant_id": None,
    "amount": 1.5,
    "country": "DE",
    "status": "settled",
    "tags": ["a"],
    "nothing": None,
    "paid_at": "2026-01-01T00:00:00Z",
}
BODY = """
clicks = hr.StreamSource(
    "clicks", topics=["CLICKS"], format="json", key="page", schema={"page": hr.String, "n": hr.Int32}
)
orders = hr.StreamSource("orders", topics=["ORDERS"], schema="schemas/payment.avsc", key="customer_id")
"""


class Deployment:
    """A config folder whose topics are there, on some components."""

    def __init__(self, folder: Path, components: Components) -> None:
        self.clicks, self.orders = components.unique("clicks"), components.unique("orders")
        for topic in (self.clicks, self.orders):
            components.create_topic(topic, 2)
        self.config = write_config(folder, BODY.replace("CLICKS", self.clicks).replace("ORDERS", self.orders))
        self.env = {
            "HEADRACE_PROJECT": components.unique("shop"),
            "HEADRACE_KAFKA__BOOTSTRAP": components.kafka,
            "HEADRACE_REDIS__URL": components.redis_url,
        }
        self.settings: Settings = load_settings(self.config, self.env)
        self.project: Project = load(self.config)

    def read(self, topic: str) -> list[Message]:
        return sorted(read_to_end(self.settings.kafka, topic), key=lambda m: (m.partition(), m.offset()))

    def run(self, *arguments: str) -> tuple[int, Any]:
        answer = CliRunner(env=self.env).invoke(app, [*arguments, "--config", str(self.config), "--json"])
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            raise answer.exception
        return answer.exit_code, json.loads(answer.stdout)


@pytest.fixture
def deployment(tmp_path: Path, components: Components) -> Deployment:
    return Deployment(tmp_path / "config", components)


def test_good_records_are_on_the_topic_when_they_are_counted(deployment: Deployment) -> None:
    records = [EVENT, {**EVENT, "amount": "much"}, {**EVENT, "customer_id": 7}]
    told = ingest(deployment.project, deployment.settings, "orders", records)
    assert (told["accepted"], told["rejected"]) == (2, 1)
    assert told["diagnostics"][0]["index"] == 1
    found = deployment.read(deployment.orders)
    assert sorted(m.key() for m in found) == [b"42", b"7"]

    def decoded(message: Message) -> Any:
        return schemaless_reader(io.BytesIO(message.value() or b""), parse_schema(json.loads(SCHEMA)), None)

    assert sorted(decoded(m)["customer_id"] for m in found) == [7, 42]


def test_json_sources_are_sent_as_json_keyed_by_their_text(deployment: Deployment) -> None:
    records = parsed(['{"page": "/å", "n": 1}', '{"page": null, "n": 2}', '{"page": "x", "n": "many"}', "{"])
    told = ingest(deployment.project, deployment.settings, "clicks", records)
    assert (told["accepted"], told["rejected"]) == (2, 2)
    assert [(d["index"], d["field"]) for d in told["diagnostics"]] == [(2, "n"), (3, None)]
    found = deployment.read(deployment.clicks)
    assert {m.key(): json.loads(m.value() or b"") for m in found} == {
        "/å".encode(): {"page": "/å", "n": 1},
        None: {"page": None, "n": 2},
    }


def test_a_dry_run_produces_nothing(deployment: Deployment) -> None:
    told = ingest(deployment.project, deployment.settings, "orders", [EVENT], dry_run=True)
    assert told == {"accepted": 1, "rejected": 0, "diagnostics": []}
    assert deployment.read(deployment.orders) == []


def test_the_command_line_ingests_a_file(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps({**EVENT, "customer_id": n}) for n in range(50)))
    code, told = deployment.run("ingest", "orders", str(file))
    assert (code, told["accepted"]) == (0, 50)
    assert len(deployment.read(deployment.orders)) == 50


def test_dead_letters_are_listed_and_shown_as_they_were_left(
    deployment: Deployment, components: Components
) -> None:
    topic = dead_letter_topic(deployment.settings.project)
    components.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": components.kafka})
    for offset, (value, reason) in enumerate([(b"\xff\x00", "decode"), (b"plain", "null_key")]):
        ours = {
            "reason": reason,
            "detail": "why",
            "source": "orders",
            "topic": "orders",
            "partition": "3",
            "offset": str(offset),
            "at": "2026-01-01T00:00:00.000000Z",
        }
        headers = [("reason", b"the producer's own"), *((n, t.encode()) for n, t in ours.items())]
        producer.produce(topic, value, b"k", headers=headers)
    assert producer.flush(30) == 0

    letters = list(dead_letters(deployment.settings))
    assert [(x.id, x.reason, x.partition, x.offset) for x in letters] == [
        ("0:0", "decode", 3, 0),
        ("0:1", "null_key", 3, 1),
    ]
    assert letters[0].value == b"\xff\x00"
    assert letters[0].headers == (("reason", b"the producer's own"),)

    code, listed = deployment.run("dead-letters", "list", "--reason", "decode")
    assert (code, [x["id"] for x in listed]) == (0, ["0:0"])
    assert (listed[0]["value"], listed[0]["value_text"]) == ("/wA=", None)
    code, shown = deployment.run("dead-letters", "show", "1")
    assert (code, shown["value_text"], shown["detail"]) == (0, "plain", "why")
    with pytest.raises(UsageError, match="there is no dead letter `0:9`"):
        dead_letter(deployment.settings, "0:9")
    assert status(deployment.project, deployment.settings)["dead_letters"] == 2


def test_without_dead_letters_the_list_is_empty(deployment: Deployment) -> None:
    assert list(dead_letters(deployment.settings)) == []


def test_status_tells_lag_and_what_answers(deployment: Deployment) -> None:
    ingest(deployment.project, deployment.settings, "orders", [EVENT, EVENT])
    told = status(deployment.project, deployment.settings)
    assert told["ok"] is True
    assert {p["part"]: p["ok"] for p in told["parts"]} == {"kafka": True, "redis": True}
    lag = [r for r in told["lag"] if r["topic"] == deployment.orders and r["process"] == "worker"]
    assert [r["committed"] for r in lag] == [None, None]
    assert sum(r["end"] for r in lag) == 2


def test_status_of_parts_that_are_down_says_which_and_fails(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config", "")
    env = {
        "HEADRACE_REDIS__URL": "redis://:hunter2@127.0.0.1:1/0",
        "HEADRACE_KAFKA__BOOTSTRAP": "embedded",
    }
    answer = CliRunner(env=env).invoke(app, ["status", "--config", str(config), "--json"])
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert [(p["part"], p["ok"]) for p in told["parts"]] == [("kafka", None), ("redis", False)]
    assert "hunter2" not in answer.output


def test_a_broker_that_is_down_is_unavailable() -> None:
    settings = load_settings("nowhere/config", {"HEADRACE_KAFKA__BOOTSTRAP": "127.0.0.1:1"})
    with pytest.raises(UnavailableError, match=r"Kafka at 127.0.0.1:1 does not answer"):
        list(read_to_end(settings.kafka, "any", timeout=0.5))


def test_keys_are_texts_of_their_values() -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "s", "type": "string", "default": "none"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
    by_text = StreamSource("a", schema=schema, key="s")
    assert key_of(by_text, {"s": "a|b%"}) == b"a|b%"
    assert key_of(by_text, {"s": None}) is None
    assert key_of(by_text, {}) == b"none"
    by_time = StreamSource("b", schema=schema, key="at")
    assert key_of(by_time, {"at": "2026-01-01T00:00:00Z"}) == b"2026-01-01T00:00:00.000000Z"
    assert key_of(StreamSource("c", schema=schema), {"s": "x"}) is None


def test_bytes_on_a_json_topic_are_base64() -> None:
    source = hr.StreamSource("files", format="json", schema={"raw": hr.Bytes, "price": hr.Decimal(5, 2)})
    value = encoder_of(source, Settings())({"raw": b"\x01\x02", "price": Decimal("1.50")})
    assert value == b'{"raw":"AQI=","price":"1.50"}'
