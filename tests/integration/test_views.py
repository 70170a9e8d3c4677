"""Every feature of every entity in Redis equals a recomputation, for all kinds of views, clocks and components."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration import views
from tests.integration.deployment import Deployment
from tests.integration.producing import Sender, Sent
from tests.integration.recomputation import HOUR, micros
from tests.stack.components import Components

pytestmark = pytest.mark.integration

FIXED = "2026-01-10T12:34:56.789012Z"


@pytest.mark.parametrize("clock", [FIXED, "event"])
def test_all_views_equal_the_recomputation(components: Components, tmp_path: Path, clock: str) -> None:
    settings = {"HEADRACE_ENGINE__CLOCK": clock}
    with Deployment(tmp_path, components, "payments", {"payments": 3}, settings) as deployment:
        sender = Sender(components.kafka)
        topic = deployment.topics["payments"]
        events = views.payments(1_500, seed=1, last=views.NOW + 2 * HOUR)
        sender.send_all(topic, views.SCHEMA, "user_id", events[:1_000])
        deployment.run("worker")
        sender.send_all(topic, views.SCHEMA, "user_id", events[1_000:])
        deployment.run("worker")

        newest: dict[int, int] = {}
        for one in sender.sent:
            newest[one.partition] = max(newest.get(one.partition, 0), micros(one.event["paid_at"]))

        def t_of(view: str, sent: Sent) -> int:
            if clock == FIXED:
                return views.NOW
            return newest[sent.partition] if view in views.KEYED else max(newest.values())

        assert views.wrong(deployment.features, sender.sent, t_of) == []
        assert deployment.dead_letters() == []
