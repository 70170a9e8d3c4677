"""What scenes stand on: one stack for the run, and components of a scene's own for faults that hurt one."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.faults.fault import Fault
from tests.stack.components import RealComponents, unique
from tests.stack.front import S3Front
from tests.stack.kafka import Kafka
from tests.stack.redis import Redis
from tests.stack.s3 import S3
from tests.stack.toxiproxy import Proxy, Toxiproxy
from tests.stack.whole import Addresses


class Ground:
    """The components of one scene: those of the run, but for the fault's own. A context manager.

    `kafka`, `redis`, `replica`, `link`, `front` are there where the fault asked for them, None otherwise; `link` is the
    proxy that everybody's way to Redis goes through, `front` what stands before S3.
    """

    kafka: Kafka | None = None
    redis: Redis | None = None
    replica: Redis | None = None
    link: Proxy | None = None
    front: S3Front | None = None
    s3: S3 | None = None

    def __init__(self, addresses: Addresses, fault: Fault, folder: Path) -> None:
        self._addresses = addresses
        self._fault = fault
        self._folder = folder
        self._started = ExitStack()
        self.components = RealComponents(addresses)

    def __enter__(self) -> Self:
        own = self._fault.own
        addresses = self._addresses
        with ExitStack() as started:
            if {"kafka", "cluster"} & own:
                brokers = 3 if "cluster" in own else 1
                self.kafka = Kafka(self._folder / "kafka", brokers=brokers, heap="320m")
                started.callback(self.kafka.kill)
                self.kafka.start()
                addresses = dataclasses.replace(addresses, kafka=self.kafka.address)
            if {"redis", "replica"} & own:
                proxies = Toxiproxy(self._folder / "toxiproxy")
                started.callback(proxies.kill)
                proxies.start()
                self.redis = self._redis(started, "redis")
                self.link = proxies.proxy(unique("redis"), self.redis.address)
                if "replica" in own:
                    self.replica = self._redis(started, "replica")
                addresses = dataclasses.replace(addresses, redis_url=f"redis://{self.link.address}/0")
            if "s3" in own:
                self.s3 = S3(self._folder / "s3")
                started.callback(self.s3.kill)
                self.s3.start()
                self.front = started.enter_context(S3Front(self.s3.port))
            self._started = started.pop_all()
        self.components = RealComponents(addresses)
        return self

    def _redis(self, started: ExitStack, name: str) -> Redis:
        server = Redis(self._folder / name)
        started.callback(server.kill)
        server.start()
        return server

    def __exit__(self, *_: object) -> None:
        self._started.close()
