"""Redis, Kafka and S3 away at start, stopped while all runs, and back empty: nothing lost, right again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration import views
from tests.integration.deployment import Deployment, Process, on_s3
from tests.integration.history import places_of, stored
from tests.integration.polling import until
from tests.integration.producing import Sender
from tests.stack.components import RealComponents
from tests.stack.kafka import Kafka, create_topic
from tests.stack.ports import free_port
from tests.stack.redis import Redis
from tests.stack.s3 import S3, create_bucket, storage_options

pytestmark = pytest.mark.integration

FIXED = {"HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of our own, not started, that keeps nothing over a restart."""
    made = Redis(tmp_path / "redis")
    yield made
    made.kill()


class Flow:
    """A worker under test and what was sent to it."""

    def __init__(self, deployment: Deployment, bootstrap: str) -> None:
        self.deployment = deployment
        self.sender = Sender(bootstrap)
        self._events = iter(views.payments(6_000, seed=4))

    def send(self, count: int = 500) -> None:
        events = [next(self._events) for _ in range(count)]
        self.sender.send_all(self.deployment.topics["payments"], views.SCHEMA, "user_id", events)

    def right(self, worker: Process) -> None:
        def look() -> bool:
            assert worker.running, worker.log_tail(60)
            try:
                return not views.wrong(self.deployment.features, self.sender.sent, lambda v, s: views.NOW)
            except redis.ConnectionError:
                return False

        until("values that equal the recomputation", look)


def test_redis_away_at_start_stopped_and_back_empty(
    real: RealComponents, tmp_path: Path, server: Redis
) -> None:
    settings = {**FIXED, "HEADRACE_REDIS__URL": server.url}
    with Deployment(tmp_path / "d", real, "payments", {"payments": 3}, settings) as deployment:
        flow = Flow(deployment, real.kafka)
        flow.send()
        worker = deployment.start("worker")
        until("a word about Redis", lambda: worker.said("waiting") and worker.said("Redis"))
        server.start()
        flow.right(worker)

        server.stop()
        flow.send()
        until("another word about Redis", lambda: worker.text.count("Redis at") > 1)
        server.start()  # it kept nothing
        flow.right(worker)

        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        flow.right(worker)  # though nothing arrives
        worker.terminate()
        worker.ended_well()


def test_the_broker_restarts_while_a_worker_runs(real: RealComponents, tmp_path: Path) -> None:
    kafka = Kafka(tmp_path / "kafka", heap="512m")
    kafka.start()
    try:
        deployment = Deployment(
            tmp_path / "d",
            real,
            "payments",
            {},
            {**FIXED, "HEADRACE_KAFKA__BOOTSTRAP": kafka.address},
        )
        deployment.topics["payments"] = "payments"
        create_topic(kafka.address, "payments", 3)
        with deployment:
            flow = Flow(deployment, kafka.address)
            flow.send()
            worker = deployment.start("worker")
            flow.right(worker)
            kafka.restart()
            flow.send()
            flow.right(worker)
            kafka.kill()
            kafka.start()
            flow.send()
            flow.right(worker)
            worker.terminate()
            worker.ended_well()
            assert set(deployment.lag().values()) == {0}

            # Without a broker it cannot drain, and a second signal ends it; what was not written is read again.
            worker = deployment.start("worker")
            flow.send()
            flow.right(worker)
            kafka.kill()
            worker.terminate()

            def ended() -> bool:
                worker.terminate()
                return not worker.running

            until("the end of a worker that was asked again", ended)
            assert worker.code in (0, 1)
            kafka.start()
            flow.send()
            flow.right(deployment.start("worker"))
    finally:
        kafka.kill()


def test_a_broker_that_is_away_at_start_is_waited_for(real: RealComponents, tmp_path: Path) -> None:
    settings = {"HEADRACE_KAFKA__BOOTSTRAP": f"127.0.0.1:{free_port()}"}
    with Deployment(tmp_path, real, "payments", {}, settings) as deployment:
        worker = deployment.start("worker")
        until("a word about Kafka", lambda: worker.said("waiting for Kafka: Kafka at 127.0.0.1:"))
        worker.terminate()
        worker.ended()


def test_s3_away_delays_history_alone(real: RealComponents, tmp_path: Path) -> None:
    s3 = S3(tmp_path / "s3")
    settings = {**FIXED, **on_s3("s3://lake/history", s3.url)}
    try:
        s3.start()
        create_bucket(s3.url, "lake")
        s3.stop()
        with Deployment(tmp_path / "d", real, "payments", {"payments": 3}, settings) as deployment:
            flow = Flow(deployment, real.kafka)
            flow.send()
            worker, history = deployment.start("worker"), deployment.start("history")
            until("a word about S3", lambda: history.said("waiting"))
            flow.right(worker)
            s3.start()
            options = storage_options(s3.url)

            def complete() -> bool:
                assert history.running, history.log_tail(60)
                found = stored(f"s3://lake/history/{deployment.project}/sources/payments", options)
                return places_of(found) == sorted(s.order for s in flow.sender.sent)

            until("all of history", complete)
            s3.stop()
            flow.send()
            flow.right(worker)
            s3.start()
            until("all of history, after the outage", complete)
            history.terminate()
            history.ended_well()
    finally:
        s3.kill()
