"""How a cluster is reached: our settings as the options of each client library."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from faust.auth import SASLCredentials, SSLCredentials

from headrace.errors import UnavailableError
from headrace.settings import KafkaSettings

MOCK = "mockCluster"
"""How librdkafka's mock cluster names itself: a broker without transactions, admin calls or compaction."""


@dataclass(frozen=True)
class Cluster:
    """A Kafka cluster. `embedded`: the mock one, seen from its cluster id; then `cluster_id` stands for topic ids."""

    settings: KafkaSettings
    cluster_id: str

    @property
    def embedded(self) -> bool:
        return self.cluster_id.startswith(MOCK)

    @property
    def servers(self) -> Sequence[str]:
        return [s.strip() for s in self.settings.bootstrap.split(",")]

    @property
    def session_timeout(self) -> float:
        """Seconds after which a silent worker's partitions go to others; Kafka's default least.

        A worker that is stopped keeps its place for so long: longer than that a restart stops no key.
        """
        return 6.0

    @property
    def heartbeat_interval(self) -> float:
        return 1.0

    @property
    def rebalance_timeout(self) -> float:
        return 6.0 if self.embedded else 30.0

    def aiokafka(self) -> dict[str, Any]:
        """Options for aiokafka's consumers and producers."""
        options: dict[str, Any] = {"bootstrap_servers": list(self.servers)}
        s = self.settings
        if s.security_protocol != "PLAINTEXT":
            options["security_protocol"] = s.security_protocol
            if "SSL" in s.security_protocol:
                options["ssl_context"] = self._ssl()
            if "SASL" in s.security_protocol:
                options["sasl_mechanism"] = s.sasl_mechanism
                options["sasl_plain_username"] = s.sasl_username
                options["sasl_plain_password"] = _secret(s.sasl_password)
        return options

    def confluent(self) -> dict[str, Any]:
        return confluent_options(self.settings)

    def faust_credentials(self) -> Any:
        s = self.settings
        if "SASL" in s.security_protocol:
            return SASLCredentials(
                username=s.sasl_username,
                password=_secret(s.sasl_password),
                mechanism=s.sasl_mechanism,
                ssl_context=self._ssl() if "SSL" in s.security_protocol.removeprefix("SASL_") else None,
            )
        return SSLCredentials(self._ssl()) if s.security_protocol == "SSL" else None

    def _ssl(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.settings.ssl_cafile)
        if self.settings.ssl_certfile:
            context.load_cert_chain(self.settings.ssl_certfile, self.settings.ssl_keyfile)
        return context


def confluent_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options for librdkafka's clients."""
    options: dict[str, Any] = {"bootstrap.servers": settings.bootstrap, "log_level": 0}
    if settings.security_protocol != "PLAINTEXT":
        options["security.protocol"] = settings.security_protocol
        for name, value in (
            ("sasl.mechanism", settings.sasl_mechanism),
            ("sasl.username", settings.sasl_username),
            ("sasl.password", _secret(settings.sasl_password)),
            ("ssl.ca.location", settings.ssl_cafile),
            ("ssl.certificate.location", settings.ssl_certfile),
            ("ssl.key.location", settings.ssl_keyfile),
        ):
            if value:
                options[name] = value
    return options


def connect(settings: KafkaSettings, *, timeout: float = 5.0) -> Cluster:
    """Ask the cluster who it is. Raises UnavailableError if it does not answer within `timeout` seconds."""
    try:
        metadata = AdminClient(confluent_options(settings)).list_topics(timeout=timeout)
    except KafkaException as exc:
        raise UnavailableError(f"Kafka at {settings.bootstrap} does not answer: {exc.args[0].str()}") from exc
    return Cluster(settings, metadata.cluster_id or "")


def producer_options(settings: KafkaSettings) -> Mapping[str, Any]:
    """Options for a producer of events: idempotent, waiting for all replicas."""
    return {**confluent_options(settings), "enable.idempotence": True, "acks": "all", "linger.ms": 5}


def _secret(value: Any) -> str | None:
    return None if value is None else str(value.get_secret_value())
