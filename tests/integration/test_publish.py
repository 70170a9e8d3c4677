"""Published updates: Avro, registered where there is a registry, each flush's exactly once, also over a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.deployment import Deployment
from tests.integration.producing import Sender
from tests.integration.updates import decode, published
from tests.stack.components import Components

pytestmark = pytest.mark.integration

NOON = 1_767_268_800_000


def event(page: str, at: int, ms: int) -> bytes:
    return json.dumps({"user": "ann", "page": page, "at": NOON + at, "ms": ms}).encode()


def test_a_reader_of_updates_has_what_redis_has(real: Components, tmp_path: Path) -> None:
    def edit(text: str) -> str:
        return text.replace(
            "source=visits, features=FEATURES)", "source=visits, features=FEATURES, publish=True)"
        )

    with Deployment(tmp_path, real, "visits", {"visits": 2}, {"HEADRACE_ENGINE__CLOCK": "event"}, edit) as d:
        sender, topic = Sender(real.kafka), d.topics["visits"]
        for i, page in enumerate(["home", "shop", "home"]):
            sender.send(topic, b"ann", event(page, i * 1000, 10))
        sender.flush()
        crashed = d.start("worker", failpoint="after_changelog")
        crashed.ended()
        d.run("worker")
        sender.send(topic, b"ann", event("shop", 5000, 1))
        sender.flush()
        d.run("worker")

        for view, key in (("by_user", "user"), ("by_page", "page")):
            updates = [(r.key, decode(d, r.value)) for r in published(d, view) if r.value is not None]
            assert updates
            versions: dict[str, list[int]] = {}
            newest: dict[str, Any] = {}
            for name, told in updates:
                assert name == told[key].encode()
                versions.setdefault(told[key], []).append(told["_version"])
                newest[told[key]] = told
            assert all(v == sorted(set(v)) for v in versions.values())
            shown = {
                page: {f: str(told[f]) for f in ("visits_12s", "ms_12s", "visits_ever")}
                for page, told in newest.items()
            }
            assert shown == d.features(f"{view}@1")
