"""Bad events: each gets its reason and its place, comes out as it went in, and costs its neighbours nothing."""

from __future__ import annotations

import base64
import io
import math
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.integration import views
from tests.integration.deployment import Deployment
from tests.integration.producing import Sender, Sent, avro
from tests.integration.recomputation import at, instant
from tests.stack.components import Components, RealComponents

pytestmark = pytest.mark.integration

NOW = "2026-01-10T12:34:56.789012Z"
FIXED = {"HEADRACE_ENGINE__CLOCK": NOW}
KEY = b"7"
HEADERS = [("trace", b"abc"), ("reason", b"theirs")]


def payment(**columns: Any) -> dict[str, Any]:
    return {
        "paid_at": at(instant(NOW) - 3_600_000_000),
        "user_id": 7,
        "merchant": "acme",
        "card": None,
        "amount": 1.5,
        "cents": 150,
        "fx": None,
        "status": "settled",
        **columns,
    }


def with_max_ahead(text: str) -> str:
    return text.replace('lateness="10m",', 'lateness="10m", max_ahead="1h",')


def letters(deployment: Deployment) -> dict[tuple[int, int], dict[str, Any]]:
    """Dead letters by the place of their event."""
    found = deployment.dead_letters()
    places = [(x["partition"], x["offset"]) for x in found]
    assert len(set(places)) == len(places), "an event has two dead letters"
    return dict(zip(places, found, strict=True))


def check_letter(
    letter: dict[str, Any], sent: Sent, reason: str, source: str, key: bytes | None, value: bytes
) -> None:
    """The letter is that event, untouched, with its own headers and ours."""
    assert letter["reason"] == reason, letter
    assert letter["detail"]
    assert letter["source"] == source
    assert (letter["topic"], letter["partition"], letter["offset"]) == sent.order
    assert datetime.fromisoformat(letter["at"]).tzinfo is not None
    assert letter["key"] == (None if key is None else base64.b64encode(key).decode())
    assert base64.b64decode(letter["value"]) == value
    assert letter["headers"] == [["trace", "abc"], ["reason", "theirs"]]


def test_every_bad_event_is_a_dead_letter_and_its_neighbours_count(
    components: Components, tmp_path: Path
) -> None:
    good = avro(views.SCHEMA, payment())
    hour_ago = instant(NOW) // 1000 - 3_600_000
    bad: dict[str, tuple[bytes, str, bytes | None]] = {
        "truncated": (good[:-3], "decode", KEY),
        "over-long": (good + b"\x00", "decode", KEY),
        "empty": (b"", "decode", KEY),
        "of another type": (b"\x00\x05not avro at all", "decode", KEY),
        "with an enum that is not there": (good[:-1] + b"\x40", "decode", KEY),
        "without a time": (avro(views.SCHEMA, payment(paid_at=None)), "timestamp_missing", KEY),
        "of the future": (
            avro(views.SCHEMA, payment(paid_at=datetime(2100, 1, 1, tzinfo=UTC))),
            "timestamp_future",
            KEY,
        ),
    }
    with Deployment(
        tmp_path, components, "payments", {"payments": 2}, FIXED, edit=with_max_ahead
    ) as deployment:
        topic = deployment.topics["payments"]
        sender = Sender(components.kafka)
        sent = {}
        for name, (value, _, key) in bad.items():
            sender.send(topic, KEY, good, payment(), timestamp=hour_ago)
            sent[name] = sender.send(topic, key, value, headers=HEADERS, timestamp=hour_ago)
            sender.send(topic, KEY, good, payment(), timestamp=hour_ago)
        sender.flush()
        deployment.run("worker")

        found = letters(deployment)
        assert len(found) == len(bad)
        for name, (value, reason, key) in bad.items():
            check_letter(found[sent[name].order[1:]], sent[name], reason, "payments", key, value)
        assert views.wrong(deployment.features, sender.sent, lambda view, s: views.NOW) == []


def test_extremes_that_are_no_mistakes_count(components: Components, tmp_path: Path) -> None:
    long = "x" * 1_000_000
    clock = {"HEADRACE_ENGINE__CLOCK": "2101-01-01T00:00:00Z"}
    with Deployment(tmp_path, components, "payments", {"payments": 2}, clock) as deployment:
        topic = deployment.topics["payments"]
        sender = Sender(components.kafka)
        events = [
            payment(user_id=1, paid_at=datetime(1970, 1, 1, tzinfo=UTC)),
            payment(user_id=1, paid_at=datetime(2100, 1, 1, tzinfo=UTC), cents=2**62),
            payment(user_id=2, amount=math.nan),
            payment(user_id=3, amount=math.inf),
            payment(user_id=3, amount=-math.inf),
            payment(user_id=4, merchant=long),
            payment(user_id=5, merchant=""),
        ]
        sender.send_all(topic, views.SCHEMA, "user_id", events)
        deployment.run("worker")

        users = deployment.features("by_user@1")
        assert deployment.dead_letters() == []
        assert users["1"]["payments_ever"] == "2"
        assert users["1"]["first_cents"] == "150"
        assert users["2"]["mean_ever"] == "NaN"
        assert users["3"]["mean_ever"] == "NaN"
        assert users["4"]["last_merchant"] == long
        assert users["5"]["last_merchant"] == ""
        assert set(deployment.features("by_merchant@2")) == {"acme", long, ""}


TRANSFORM = '''

def refuse(frame: pl.DataFrame) -> pl.DataFrame:
    """Stumbles over one merchant."""
    if (frame["merchant"] == "forbidden").any():
        raise ValueError("forbidden merchant")
    return frame


stumbling = hr.FeatureView(
    "stumbling",
    entity=user,
    source=payments,
    transform=hr.transform(refuse),
    features={"payments_ever": hr.count(over=hr.lifetime())},
)
'''


def test_an_event_over_which_a_transform_stumbles_is_a_dead_letter(
    components: Components, tmp_path: Path
) -> None:
    with Deployment(
        tmp_path, components, "payments", {"payments": 2}, FIXED, edit=lambda text: text + TRANSFORM
    ) as deployment:
        topic = deployment.topics["payments"]
        sender = Sender(components.kafka)
        for _ in range(50):
            sender.send(topic, KEY, avro(views.SCHEMA, payment()), payment())
        value = avro(views.SCHEMA, payment(merchant="forbidden"))
        bad = sender.send(topic, KEY, value, headers=HEADERS)
        for _ in range(50):
            sender.send(topic, KEY, avro(views.SCHEMA, payment()), payment())
        sender.flush()
        deployment.run("worker")
        (letter,) = letters(deployment).values()
        check_letter(letter, bad, "transform", "payments", KEY, value)
        assert deployment.features("stumbling@1") == {"7": {"payments_ever": "100"}}


def only_by_user(text: str) -> str:
    """The source with one view, so that nobody can use an event without a user."""
    return text[: text.index("by_merchant = ")]


def test_an_event_that_no_view_can_use_is_a_dead_letter(components: Components, tmp_path: Path) -> None:
    with Deployment(
        tmp_path, components, "payments", {"payments": 2}, FIXED, edit=only_by_user
    ) as deployment:
        topic = deployment.topics["payments"]
        sender = Sender(components.kafka)
        sender.send(topic, KEY, avro(views.SCHEMA, payment()), payment())
        value = avro(views.SCHEMA, payment(user_id=None))
        bad = sender.send(topic, None, value, headers=HEADERS)
        sender.flush()
        deployment.run("worker")
        (letter,) = letters(deployment).values()
        check_letter(letter, bad, "null_key", "payments", None, value)
        assert deployment.features("by_user@1")["7"]["payments_ever"] == "1"


# -- a registry

OLD = {
    "type": "record",
    "name": "Payment",
    "namespace": "shop",
    "fields": [f for f in views.SCHEMA["fields"] if f["name"] not in ("fx", "card")],
}
OTHER = {"type": "record", "name": "Other", "fields": [{"name": "nothing_alike", "type": "boolean"}]}


def framed(schema_id: int, schema: Any, event: dict[str, Any]) -> bytes:
    """The registry's wire format."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), event)
    return b"\x00" + struct.pack(">I", schema_id) + out.getvalue()


def registered(real: RealComponents, subject: str, schema: Any) -> int:
    """The id that the registry gives to a schema."""
    import httpx
    import orjson

    clean = fastavro.schema.fullname(schema) and {k: v for k, v in schema.items() if not k.startswith("__")}
    url = f"{real.registry_url}/subjects/{subject}/versions"
    answer = httpx.post(url, json={"schema": orjson.dumps(clean).decode()}, timeout=30)
    answer.raise_for_status()
    return int(answer.json()["id"])


def with_framing(text: str) -> str:
    return text.replace('key="user_id",', 'key="user_id", framing="registry",')


def test_events_of_two_writer_schemas_count_and_unknown_ones_are_dead_letters(
    real: RealComponents, tmp_path: Path
) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 2}, FIXED, edit=with_framing) as deployment:
        topic = deployment.topics["payments"]
        new = registered(real, f"{topic}-value", views.SCHEMA)
        old = registered(real, f"{topic}-old", OLD)
        other = registered(real, f"{topic}-other", OTHER)
        sender = Sender(real.kafka)
        unknown_value = framed(99_999_999, views.SCHEMA, payment())
        other_value = b"\x00" + struct.pack(">I", other) + b"\x01"
        short = b"\x00\x00"
        bad = {}
        for event in views.payments(400, seed=5):
            key = None if event["user_id"] is None else str(event["user_id"]).encode()
            sender.send(topic, key, framed(new, views.SCHEMA, dict(event)), event)
            older = {**event, "fx": None, "card": None}
            sender.send(topic, key, framed(old, OLD, older), older)
            if len(sender.sent) == 400:
                for reason, value in [
                    ("schema_unknown", unknown_value),
                    ("schema_mismatch", other_value),
                    ("decode", short),
                ]:
                    bad[reason] = (sender.send(topic, KEY, value, headers=HEADERS), value)
        sender.flush()
        deployment.run("worker")
        assert views.wrong(deployment.features, sender.sent, lambda view, s: views.NOW) == []
        found = letters(deployment)
        assert len(found) == 3
        for reason, (sent, value) in bad.items():
            check_letter(found[sent.order[1:]], sent, reason, "payments", KEY, value)


def test_an_event_larger_than_is_taken_is_a_dead_letter(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path, real, "payments", {}, FIXED) as deployment:
        topic = deployment.topics["payments"] = real.unique("payments")
        real.create_topic(topic, 2, {"max.message.bytes": "12000000"})
        for file in (deployment.config / "features").glob("*.py"):
            file.write_text(file.read_text().replace('topics=["payments"', f'topics=["{topic}"'))
        sender = Sender(real.kafka)
        good = avro(views.SCHEMA, payment())
        huge = avro(views.SCHEMA, payment(merchant="y" * 10_000_000))
        sender.send(topic, KEY, good, payment())
        bad = sender.send(topic, KEY, huge, headers=HEADERS)
        sender.send(topic, KEY, good, payment())
        sender.flush()
        deployment.run("worker")
        (letter,) = letters(deployment).values()
        check_letter(letter, bad, "too_large", "payments", KEY, huge)
        assert deployment.features("by_user@1")["7"]["payments_ever"] == "2"


def test_json_events_count_and_bad_ones_are_dead_letters(components: Components, tmp_path: Path) -> None:
    with Deployment(tmp_path, components, "clicks", {"clicks": 2, "views": 3}, FIXED) as deployment:
        sender = Sender(components.kafka)
        count = 0
        for i in range(300):
            event = f'{{"page": "p{i % 7}", "at": {instant(NOW) // 1000 - 1000 * i}, "ms": {i}}}'
            sender.send(deployment.topics["clicks" if i % 2 else "views"], None, event.encode())
            count += 1
        value = b'{"page": 7, "at": '
        bad = sender.send(deployment.topics["clicks"], None, value, headers=HEADERS)
        sender.flush()
        deployment.run("worker")
        found = deployment.features("by_page@1")
        expected = {
            f"p{p}": {
                "hits": str(sum(i % 7 == p for i in range(count))),
                "ms_1h": str(sum(i for i in range(count) if i % 7 == p)),
            }
            for p in range(7)
        }
        assert found == expected
        (letter,) = letters(deployment).values()
        check_letter(letter, bad, "decode", "clicks", None, value)
