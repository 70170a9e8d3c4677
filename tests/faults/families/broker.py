"""Kafka: restarted, killed, away for a minute, and one of three brokers lost while it leads."""

from __future__ import annotations

from tests.faults.fault import Fault, Own
from tests.faults.scene import Scene
from tests.integration.polling import until
from tests.stack.kafka import Broker, admin, broker_count

ONE: frozenset[Own] = frozenset({"kafka"})
THREE: frozenset[Own] = frozenset({"cluster"})


def restarted(scene: Scene) -> None:
    """Stopped in good order and started again."""
    scene.cluster.restart()
    scene.healed()


def killed(scene: Scene) -> None:
    """SIGKILL and a start at once, twice."""
    for _ in range(2):
        scene.cluster.kill()
        scene.cluster.start()
        scene.fresh()
    scene.healed()


def away(scene: Scene) -> None:
    """SIGKILL, and nobody there for a minute."""
    scene.cluster.kill()
    scene.last(60)
    scene.cluster.start()
    scene.healed()


def leader_killed(scene: Scene) -> None:
    """Of three brokers the one that leads a partition of the topic, or of a changelog, dies and comes back."""
    topic = scene.rng.choice([scene.topic, f"headrace.{scene.deployment.project}.changelog.by_shop.1"])
    partition = scene.rng.randrange(3)
    broker = leader(scene, topic, partition)
    broker.kill()
    scene.fresh()
    scene.flow(200, 800)
    broker.start()
    scene.healed()


def each_restarted(scene: Scene) -> None:
    """A rolling restart of the cluster: every broker stopped and started, one after the other."""
    for broker in scene.rng.sample(scene.cluster.brokers, 3):
        broker.restart()
        until("three brokers", lambda: broker_count(scene.kafka, 5) == 3)
        scene.fresh()
    scene.healed()


def leader(scene: Scene, topic: str, partition: int) -> Broker:
    """The broker that leads a partition."""
    found = admin(scene.kafka).list_topics(topic, timeout=30).topics[topic]
    number = found.partitions[partition].leader
    return next(b for b in scene.cluster.brokers if b.number == number)


FAULTS = (
    Fault("broker", "restart", restarted, own=ONE),
    Fault("broker", "kill -9", killed, own=ONE),
    Fault("broker", "a minute without any", away, own=ONE),
    Fault("broker", "leader of three killed", leader_killed, own=THREE),
    Fault("broker", "rolling restart of three", each_restarted, own=THREE, ci=False),
)
