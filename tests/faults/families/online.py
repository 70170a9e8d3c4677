"""Redis: stopped, killed, emptied, slow, cut in the middle of a write, and replaced by a replica that lags."""

from __future__ import annotations

import redis

from tests.faults.fault import Fault, Own
from tests.faults.scene import Scene
from tests.integration.polling import until

OWN: frozenset[Own] = frozenset({"redis"})


def stopped(scene: Scene) -> None:
    """Down for some seconds, and back without a key."""
    scene.redis.stop()
    scene.last(scene.rng.uniform(2, 12))
    scene.redis.start()
    scene.healed()


def killed(scene: Scene) -> None:
    """The same by SIGKILL, twice."""
    for _ in range(2):
        scene.redis.kill()
        scene.last(scene.rng.uniform(0.5, 6))
        scene.redis.start()
        scene.flow(100, 400)
    scene.healed()


def flushed(scene: Scene) -> None:
    """FLUSHALL, twice, the second time perhaps while the first is being repaired."""
    with redis.Redis.from_url(scene.redis.url) as client:
        client.flushall()
        scene.flow(10, 1_200)
        client.flushall()
    scene.healed()


def slow(scene: Scene) -> None:
    """Half a second on every answer, for ten seconds."""
    toxic = scene.link.add("latency", latency=500, jitter=50)
    scene.last(10)
    scene.link.remove(toxic)
    scene.healed()


def cut(scene: Scene) -> None:
    """The line breaks after some bytes, twelve times: in the middle of a transaction, as often as not."""
    for _ in range(12):
        toxic = scene.link.add("limit_data", stream="upstream", bytes=scene.rng.randint(200, 60_000))
        scene.flow(60, 250)
        scene.link.remove(toxic)
        if scene.rng.random() < 0.3:
            scene.link.cut()
            scene.link.heal()
    scene.healed()


def promoted(scene: Scene) -> None:
    """A replica stops following; some time later the first server dies and the replica is what there is."""
    assert scene.ground.replica is not None
    replica = scene.ground.replica
    with redis.Redis.from_url(replica.url, decode_responses=True) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(scene.redis.port))
        until("a replica in step", lambda: client.info("replication").get("master_link_status") == "up", 60)
        scene.flow(100, 500)
        client.execute_command("REPLICAOF", "NO", "ONE")
    scene.flow(100, 1_500)
    scene.redis.kill()
    scene.link.turn(replica.address)
    scene.healed()


FAULTS = (
    Fault("redis", "stop", stopped, own=OWN, forgets=True),
    Fault("redis", "kill -9", killed, own=OWN, forgets=True),
    Fault("redis", "FLUSHALL", flushed, own=OWN, forgets=True),
    Fault("redis", "500 ms latency", slow, own=OWN),
    Fault("redis", "cut in the middle of a pipeline", cut, own=OWN),
    Fault(
        "redis",
        "lagging replica promoted",
        promoted,
        own=frozenset({"redis", "replica"}),
        rewinds=True,
        forgets=True,
        note="holds; until it is repaired, readers see what the replica has",
    ),
)
