"""Redis converges: what it lost, and even what somebody spoiled, is right again while the workers go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration import views
from tests.integration.deployment import Deployment, Process
from tests.integration.polling import until
from tests.integration.producing import Sender
from tests.online.proxy import Proxy
from tests.stack.components import RealComponents
from tests.stack.redis import Redis

pytestmark = pytest.mark.integration

FIXED = {"HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z"}
BOUND = 60.0
"""Seconds within which all is right again: five to notice it, and the rest for a busy machine."""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Redis, Redis]]:
    """A primary and a replica of it, in step."""
    made = Redis(tmp_path / "primary"), Redis(tmp_path / "replica")
    for server in made:
        server.start()
    with redis.Redis.from_url(made[1].url) as client:
        client.replicaof("127.0.0.1", str(made[0].port))
    yield made
    for server in made:
        server.kill()


class Flow:
    """A deployment whose Redis is reached through a line that can be led elsewhere, and what was sent to it."""

    def __init__(self, deployment: Deployment, bootstrap: str) -> None:
        self.deployment = deployment
        self.sender = Sender(bootstrap)
        self._events = iter(views.payments(8_000, seed=5))

    def send(self, count: int = 500) -> None:
        events = [next(self._events) for _ in range(count)]
        self.sender.send_all(self.deployment.topics["payments"], views.SCHEMA, "user_id", events)

    def wrong(self) -> list[str]:
        return views.wrong(self.deployment.features, self.sender.sent, lambda view, sent: views.NOW)

    def right(self, worker: Process) -> None:
        def look() -> bool:
            assert worker.running, worker.log_tail(60)
            try:
                return not self.wrong()
            except redis.ConnectionError:
                return False

        until("values that equal the recomputation", look, BOUND)


def replicated(primary: Redis, replica: Redis) -> None:
    """The replica has all that the primary has."""
    with redis.Redis.from_url(primary.url) as first, redis.Redis.from_url(replica.url) as second:
        until(
            "a replica in step",
            lambda: (
                second.info("replication").get("master_link_status") == "up"  # type: ignore[union-attr]
                and first.dbsize() == second.dbsize()
                and first.info("replication")["master_repl_offset"]  # type: ignore[index]
                <= second.info("replication")["slave_repl_offset"]  # type: ignore[index]
            ),
        )


def left_behind(replica: Redis) -> None:
    """From now on the replica gets nothing more, as one that lags; it serves by itself."""
    with redis.Redis.from_url(replica.url) as client:
        client.replicaof("NO", "ONE")


def test_a_fail_over_to_a_replica_that_lags_is_made_good(
    real: RealComponents, tmp_path: Path, servers: tuple[Redis, Redis]
) -> None:
    primary, replica = servers
    with Proxy(primary.port) as line:
        settings = {**FIXED, "HEADRACE_REDIS__URL": line.url}
        with Deployment(tmp_path / "d", real, "payments", {"payments": 3}, settings) as deployment:
            flow = Flow(deployment, real.kafka)
            flow.send()
            worker = deployment.start("worker")
            flow.right(worker)

            replicated(primary, replica)
            left_behind(replica)
            flow.send()
            flow.right(worker)
            line.point_to(replica.port)
            assert flow.wrong()  # it has an older state, and every fence in it
            flow.right(worker)  # though nothing arrives
            worker.terminate()
            worker.ended_well()


def test_what_a_replica_lacks_is_found_by_a_worker_that_never_saw_the_other_server(
    real: RealComponents, tmp_path: Path, servers: tuple[Redis, Redis]
) -> None:
    """The fence is there, its epoch is right: only the number of the flush tells, whoever compares it."""
    primary, replica = servers
    with Proxy(primary.port) as line:
        settings = {**FIXED, "HEADRACE_REDIS__URL": line.url}
        with Deployment(tmp_path / "d", real, "payments", {"payments": 3}, settings) as deployment:
            flow = Flow(deployment, real.kafka)
            flow.send()
            worker = deployment.start("worker")
            flow.right(worker)
            replicated(primary, replica)
            left_behind(replica)
            for _ in range(3):  # of three flushes the successor knows only the last to be owed
                flow.send()
                flow.right(worker)
            worker.terminate()
            worker.ended_well()
            line.point_to(replica.port)
            assert flow.wrong()

            worker = deployment.start("worker", state="another")
            flow.right(worker)
            assert worker.said("Redis lost what was written")
            worker.terminate()
            worker.ended_well()

            again = deployment.run("worker", state="another")
            assert not again.said("Redis lost what was written")  # nothing is owed any more


def test_what_somebody_spoiled_is_written_again_by_hand(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path / "d", real, "payments", {"payments": 3}, FIXED) as deployment:
        flow = Flow(deployment, real.kafka)
        flow.send()
        worker = deployment.start("worker")
        flow.right(worker)
        prefix = f"{deployment.project}:by_user@1:"
        client = redis.Redis.from_url(deployment.environment["HEADRACE_REDIS__URL"], decode_responses=True)
        keys = sorted(client.scan_iter(match=f"{prefix}*", count=10_000))
        for i, key in enumerate(keys):
            client.delete(key) if i % 2 else client.hset(key, "payments_ever", "1000000")
        assert len([line for line in flow.wrong() if line.startswith("by_user@1 ")]) >= len(keys)

        first = keys[0].removeprefix(prefix)
        told = deployment.ask("republish", "by_user@1", "--key", first)
        assert (told["entities"], told["done"], told["missing"]) == (1, 3, [])
        assert not [line for line in flow.wrong() if f" {first}" in line]

        # The state is as it was: that is what is written again, and what anybody can look at meanwhile.
        shown = deployment.ask("state", "show", "by_user@1")
        assert [e["key"] for e in shown["entities"]] != []
        state = {
            e["key"]: {name: text for name, text in e["features"].items() if text is not None}
            for e in shown["entities"]
        }
        ends = sum(n for p in shown["partitions"] for n in p["positions"].values())
        assert ends == len(flow.sender.sent)

        told = deployment.ask("republish", "by_user")
        assert (told["view"], told["entities"], told["partitions"], told["done"]) == (
            "by_user@1",
            len(keys),
            3,
            3,
        )
        assert flow.wrong() == []
        assert state == deployment.features("by_user@1")

        # A shuffled view: the partition of an entity is known, so one that never was is taken away again.
        merchants = f"{deployment.project}:by_merchant@2:"
        client.delete(f"{merchants}acme")
        client.hset(f"{merchants}nobody", "takings_ever", "1")
        assert len(flow.wrong()) == 2
        told = deployment.ask("republish", "by_merchant@2", "--key", "acme", "--key", "nobody")
        assert told["entities"] == 2
        assert flow.wrong() == []

        worker.terminate()
        worker.ended_well()
        there = str(deployment.folder / "state")
        kept = deployment.ask("state", "show", "by_user@1", "--folder", there, "--key", first)
        assert [(e["key"], e["features"]["payments_ever"]) for e in kept["entities"]] == [
            (first, state[first]["payments_ever"])
        ]
        nobody = deployment.ask("republish", "by_user", "--timeout", "1s", code=1)
        assert (nobody["done"], len(nobody["missing"])) == (0, 3)
        client.close()
