"""Views on views over a worker that is killed: each published update is counted once, all the way down."""

from __future__ import annotations

import json
import random
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from tests.integration.deployment import Deployment
from tests.integration.producing import Sender
from tests.integration.recomputation import differences
from tests.integration.updates import decode, published
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration

NOON = 1_767_268_800_000
SETTINGS = {
    "HEADRACE_ENGINE__CLOCK": "event",
    "HEADRACE_STATE__MAX_EVENTS": "150",
    "HEADRACE_KAFKA__INSTANCE": "only",  # the group need not wait for the one that was killed
}
STEPS = ["after_changelog:4", "after_rocksdb:5"]

Row = Mapping[str, Any]


def visits(count: int) -> list[dict[str, Any]]:
    rng = random.Random(5)
    return [
        {
            "user": f"u{rng.randrange(12)}",
            "page": rng.choice(["a1", "a2", "b1", "c1", "c2", "c3"]),
            "at": NOON + 40 * i - (rng.randrange(5_000) if rng.random() < 0.1 else 0),
            "ms": rng.randrange(10),
        }
        for i in range(count)
    ]


def updates(deployment: Deployment, view: str, key: str) -> list[Row]:
    """A view's updates, each with its place as ``_order``; versions of an entity only grow."""
    out: list[Row] = []
    versions: dict[str, int] = {}
    for record in published(deployment, view):
        assert record.value is not None
        told = decode(deployment, record.value)
        assert told["_version"] > versions.get(told[key], -1)
        assert record.key == told[key].encode()
        versions[told[key]] = told["_version"]
        out.append(told | {"_order": (record.partition, record.offset)})
    return out


def newest(rows: list[Row]) -> Row:
    return max(rows, key=lambda r: (r["_event_time"], r["_order"]))


def grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        out[key(row)].append(row)
    return out


def pages(of_users: list[Row]) -> dict[str, dict[str, Any]]:
    counted = [u for u in of_users if not u["_removed"] and u["ms"] >= 20]
    return {
        page: {
            "told": len(rows),
            "best": max(u["ms"] / u["visits"] for u in rows),
            "busy": sum(u["visits_12s"] for u in rows),
            "last_user": newest(rows)["user"],
        }
        for page, rows in grouped(counted, lambda u: str(u["last_page"])).items()
    }


def sections(of_pages: list[Row]) -> dict[str, dict[str, Any]]:
    return {
        section: {
            "told": len(rows),
            "told_below": max(p["told"] for p in rows),
            "best": max(p["best"] for p in rows),
            "last_page": newest(rows)["page"],
        }
        for section, rows in grouped(of_pages, lambda p: str(p["page"][0])).items()
    }


def test_every_update_counts_once_three_views_deep_though_the_worker_is_killed(
    real: RealComponents, tmp_path: Path
) -> None:
    with Deployment(tmp_path, real, "chain", {"visits": 2}, SETTINGS) as d:
        sender, topic = Sender(real.kafka), d.topics["visits"]
        by_user = f"headrace.{d.project}.view.by_user"
        real.create_topic(by_user, 2, {"cleanup.policy": "compact"})  # it was published for readers before
        events = visits(1_500)
        for number, step in enumerate([*STEPS, None]):
            for e in events[500 * number : 500 * (number + 1)]:
                sender.send(topic, e["user"].encode(), json.dumps(e).encode())
            sender.flush()
            state = "state" if step else "elsewhere"  # at last from the changelogs alone
            worker = d.start("worker", "--until-idle", "1s", state=state, failpoint=step)
            assert worker.ended() == (-signal.SIGKILL if step else 0), worker.log_tail()

        of_users, of_pages = updates(d, "by_user", "user"), updates(d, "by_page", "page")
        last = {
            u: max(rows, key=lambda r: r["_version"]) for u, rows in grouped(of_users, by("user")).items()
        }
        for user, mine in grouped(events, by("user")).items():
            assert (last[user]["visits"], last[user]["ms"]) == (len(mine), sum(e["ms"] for e in mine))
        assert differences(pages(of_users), d.features("by_page@1")) == []
        assert differences(sections(of_pages), d.features("by_section@1")) == []
        assert d.dead_letters() == []
        assert policy(real.kafka, by_user) == "delete"
        lag = d.lag()
        assert {t.removeprefix(f"headrace.{d.project}.") for t, _ in lag} == {
            topic,
            "view.by_user",
            "view.by_page",
        }
        assert set(lag.values()) == {0}


def by(column: str) -> Callable[[Row], str]:
    return lambda row: str(row[column])


def policy(bootstrap: str, topic: str) -> str:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (told,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return str(told.result(30)["cleanup.policy"].value)
