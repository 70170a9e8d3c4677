"""Bad input: each record costs itself alone, and each has one dead letter with its reason."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from datetime import UTC, datetime

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.faults.fault import Fault
from tests.faults.scene import Scene
from tests.faults.traffic import Traffic
from tests.faults.workload import MAX_AHEAD, SCHEMA
from tests.integration.producing import avro
from tests.integration.recomputation import MINUTE, SECOND, at
from tests.stack.kafka import admin

DEDUP = 10 * MINUTE
Extra = Callable[[Traffic, random.Random], None]


def mixed(scene: Scene, extra: Extra, events: int = 1_200) -> None:
    """`extra` with every tick of the producer, and a worker killed in the middle of it."""
    rng = random.Random(scene.rng.random())
    scene.traffic.extra = lambda traffic, elapsed: extra(traffic, rng)
    scene.flow(events)
    scene.worker_anew("w1")
    scene.fresh()
    scene.flow(events)
    scene.traffic.extra = None
    scene.healed()


def key(rng: random.Random) -> bytes:
    """Any key, so that every partition gets some."""
    return f"k{rng.randrange(100)}".encode()


def poison(traffic: Traffic, rng: random.Random) -> None:
    """Bytes that are no order."""
    traffic.bad(b"\xff" * rng.randrange(1, 60), "decode", key(rng))


def flood(traffic: Traffic, rng: random.Random) -> None:
    """Four of five records are poison."""
    for _ in range(32):
        poison(traffic, rng)


def truncated(traffic: Traffic, rng: random.Random) -> None:
    """An order that lacks its end."""
    event = {**traffic.orders.next(traffic.elapsed), "note": "n" * 50}
    value = traffic.encode(event)
    traffic.bad(value[: -rng.randrange(1, 40)], "decode", key(rng))


def unknown_schema(traffic: Traffic, rng: random.Random) -> None:
    """A schema id that the registry does not know."""
    value = (
        b"\x00"
        + struct.pack(">I", 90_000_000 + rng.randrange(3))
        + avro(SCHEMA, traffic.orders.next(traffic.elapsed))
    )
    traffic.bad(value, "schema_unknown", key(rng))


def out_of_time(traffic: Traffic, rng: random.Random) -> None:
    """Orders of 1970, hours late, ahead but within bounds; and bad ones: too far ahead, or without a time."""
    event = dict(traffic.orders.next(traffic.elapsed))
    event["customer"], event["shop"] = f"c{rng.randrange(40):02}", f"s{rng.randrange(8)}"
    now = traffic.event_time.of(traffic.elapsed)
    kind = rng.randrange(5)
    if kind == 0:
        traffic.order({**event, "ordered_at": datetime(1970, 1, 1, tzinfo=UTC)}, stamp=now // 1000)
    elif kind == 1:
        traffic.order({**event, "ordered_at": at(now - rng.randrange(5_000 * SECOND))}, stamp=now // 1000)
    elif kind == 2 and rng.random() < 0.1:
        traffic.order({**event, "ordered_at": at(now + rng.randrange(MAX_AHEAD - SECOND))}, stamp=now // 1000)
    elif kind == 3:
        far = {**event, "ordered_at": at(now + MAX_AHEAD + SECOND + rng.randrange(10**15))}
        traffic.bad(traffic.encode(far), "timestamp_future", key(rng), stamp=now // 1000)
    else:
        traffic.bad(traffic.encode({**event, "ordered_at": None}), "timestamp_missing", key(rng))


def duplicates(scene: Scene) -> None:
    """A third of the orders come once more: mostly within `dedup`, some after it, which count."""
    scene.traffic.stamped_now = True
    mixed(scene, again)


def again(traffic: Traffic, rng: random.Random) -> None:
    """Orders of the last minute, event time of twenty, once more."""
    sent = traffic.sender.sent
    for _ in range(2):
        event = sent[-rng.randrange(1, min(len(sent), 60 * traffic.rate))].event
        if event["customer"] is not None:  # the copy is where the first is
            traffic.order(event)


def with_event_id(text: str) -> str:
    """The source with an id in each order."""
    return text.replace('key="customer",', 'key="customer", event_id="number", dedup="10m",')


def huge(scene: Scene) -> None:
    """Three records of 10 MB among the others."""
    resource = ConfigResource(
        ResourceType.TOPIC,
        scene.topic,
        incremental_configs=[
            ConfigEntry("max.message.bytes", "12000000", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    client = admin(scene.kafka)
    client.incremental_alter_configs([resource])[resource].result(30)
    left = 3

    def extra(traffic: Traffic, rng: random.Random) -> None:
        nonlocal left
        if left and rng.random() < 0.02:
            left -= 1
            event = {**traffic.orders.next(traffic.elapsed), "note": "n" * 10_000_000}
            traffic.bad(traffic.encode(event), "too_large", key(rng))

    rng = random.Random(scene.rng.random())
    scene.traffic.extra = lambda traffic, elapsed: extra(traffic, rng)
    scene.until("three huge records", lambda: not left)
    scene.flow(200, 800)
    scene.worker_anew("w1")
    scene.healed()


def framed(text: str) -> str:
    """The source with the registry's framing."""
    return text.replace('key="customer",', 'key="customer", framing="registry",')


FAULTS = (
    Fault("input", "poison bytes", lambda scene: mixed(scene, poison)),
    Fault("input", "a flood of poison", lambda scene: mixed(scene, flood)),
    Fault("input", "truncated Avro", lambda scene: mixed(scene, truncated)),
    Fault(
        "input", "unknown schema ids", lambda scene: mixed(scene, unknown_schema), edit=framed, framed=True
    ),
    Fault(
        "input",
        "duplicates on the topic with event_id",
        duplicates,
        edit=with_event_id,
        dedup=DEDUP,
    ),
    Fault("input", "late and future times", lambda scene: mixed(scene, out_of_time)),
    Fault("input", "records of 10 MB", huge),
)
