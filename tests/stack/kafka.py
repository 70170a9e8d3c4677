"""Kafka 4.1 in KRaft mode: one broker, or several that replicate.

Every broker is also a controller. Retention is unlimited, since replays stamp records with old event
times and a broker would delete them on sight; topics are made on purpose, never by asking for one.
"""

from __future__ import annotations

import base64
import logging
import shlex
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from tests.stack.install import kafka_jars
from tests.stack.java import java
from tests.stack.ports import HOST, free_port
from tests.stack.process import Command, Component

_MINIMUM_JAVA = 17
_QUIET = logging.getLogger("tests.stack.kafka.client")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

_LOG4J = """\
status=warn
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""


class Broker(Component):
    """One Kafka process. Made by `Kafka`; `number` is its node id, from 1."""

    name = "kafka"

    def __init__(self, folder: Path, cluster: Kafka, number: int, *, detached: bool) -> None:
        super().__init__(folder, detached=detached)
        self.number = number
        self.controller_port = free_port()
        self.proxied_port = free_port()
        self._cluster = cluster

    @property
    def proxied_upstream(self) -> str:
        """Where a proxy in front of this broker forwards to (see `Kafka.proxies`)."""
        return f"{HOST}:{self.proxied_port}"

    def command(self) -> Command:
        properties = self.folder / "server.properties"
        properties.write_text(self._cluster.properties(self))
        (self.folder / "log4j2.properties").write_text(_LOG4J)
        machine = [str(java(_MINIMUM_JAVA)), f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties"]
        jars = ["-XX:+UseSerialGC", "-cp", f"{kafka_jars()}/*"]
        serve = [*machine, f"-Xmx{self._cluster.heap}", *jars, "kafka.Kafka", str(properties)]
        if (self.folder / "data" / "meta.properties").exists():
            return Command(serve)
        # The shell formats the disk and becomes the broker, so that several brokers do so side by side.
        tool = ["kafka.tools.StorageTool", "format", "-t", self._cluster.id, "-c", str(properties)]
        format_disk = [*machine, *jars, *tool]
        return Command(["sh", "-c", f"{shlex.join(format_disk)} && exec {shlex.join(serve)}"])

    def answers(self) -> bool:
        """Whether this broker sees every broker of the cluster."""
        return broker_count(self.address) >= len(self._cluster.brokers)


class Kafka:
    """A cluster of `brokers` processes; `address` is its bootstrap list.

    `heap` is each broker's Java heap. `config` is added to every server.properties. `proxies` maps a
    node id to the `host:port` that this broker's second listener advertises: a client that comes
    through a proxy there (which forwards to the broker's `proxied_upstream`) stays behind it.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 1,
        heap: str = "768m",
        config: Mapping[str, str] | None = None,
        proxies: Mapping[int, str] | None = None,
        detached: bool = False,
    ) -> None:
        self.heap = heap
        self.config = dict(config or {})
        self.proxies = dict(proxies or {})
        self.id = base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        self.brokers = [
            Broker(folder / f"broker-{number}", self, number, detached=detached)
            for number in range(1, brokers + 1)
        ]

    @property
    def address(self) -> str:
        """The bootstrap list, `host:port,...`."""
        return ",".join(broker.address for broker in self.brokers)

    def launch(self) -> None:
        """Start every broker and return at once (formatting its disk takes a second each)."""
        for broker in self.brokers:
            broker.launch()

    def wait(self) -> None:
        """Return when every broker sees every other."""
        for broker in self.brokers:
            broker.wait()

    def start(self) -> None:
        """Start every broker and return when they see each other."""
        self.launch()
        try:
            self.wait()
        except Exception:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop every broker, all at once: one by one, the last would wait for a quorum that is gone."""
        for broker in self.brokers:
            broker.terminate()
        for broker in self.brokers:
            broker.stop()

    def kill(self) -> None:
        """SIGKILL every broker."""
        for broker in self.brokers:
            broker.kill()

    def restart(self) -> None:
        """Stop and start the whole cluster: same addresses, same data."""
        self.stop()
        self.start()

    def properties(self, broker: Broker) -> str:
        """The server.properties of one broker."""
        replicas = min(3, len(self.brokers))
        in_sync = max(1, replicas - 1)
        voters = ",".join(f"{each.number}@{HOST}:{each.controller_port}" for each in self.brokers)
        proxied = self.proxies.get(broker.number, broker.proxied_upstream)
        plain = f"PLAINTEXT://{broker.address}"
        controller = f"CONTROLLER://{HOST}:{broker.controller_port}"
        lines = {
            "process.roles": "broker,controller",
            "node.id": str(broker.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"{plain},PROXIED://{broker.proxied_upstream},{controller}",
            "advertised.listeners": f"{plain},PROXIED://{proxied},{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(broker.folder / "data"),
            "auto.create.topics.enable": "false",
            "num.partitions": "4",
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(in_sync),
            "offsets.topic.replication.factor": str(replicas),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(in_sync),
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(in_sync),
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "6000",
            "log.retention.ms": "-1",
            "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
            **self.config,
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def admin(bootstrap: str) -> AdminClient:
    """An admin client that keeps its connection errors to itself."""
    return AdminClient({"bootstrap.servers": bootstrap, "socket.timeout.ms": 10_000}, logger=_QUIET)


def broker_count(bootstrap: str, timeout: float = 1.0) -> int:
    """How many brokers the cluster says it has; 0 if nobody answers."""
    try:
        return len(admin(bootstrap).list_topics(timeout=timeout).brokers)
    except KafkaException:
        return 0


def create_topic(
    bootstrap: str, name: str, partitions: int = 4, config: Mapping[str, str] | None = None
) -> None:
    """Make a topic and return when every partition has a leader, so that the first produce finds it."""
    client = admin(bootstrap)
    topic = NewTopic(name, num_partitions=partitions, config=dict(config or {}))
    client.create_topics([topic], operation_timeout=15)[name].result(30)
    end = time.monotonic() + 30
    while True:
        seen = client.list_topics(name, timeout=10).topics[name]
        if len(seen.partitions) == partitions and all(p.leader > 0 for p in seen.partitions.values()):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"topic {name} has no leader for each of its {partitions} partitions")
        time.sleep(0.02)


def delete_topic(bootstrap: str, name: str) -> None:
    """Delete a topic."""
    client = admin(bootstrap)  # held: with the client its requests would go
    client.delete_topics([name], operation_timeout=15)[name].result(30)
