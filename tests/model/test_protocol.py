"""Whatever happens to workers, disks, Kafka and Redis: nothing lost, nothing twice, never backwards."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.model.machine import Protocol

TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(  # CASES=10000 for a long run
    max_examples=int(os.environ.get("CASES", "80")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
