"""The four components that belong together, and where they are found again.

`Stack` starts Kafka, the registry, S3 and Redis; `Addresses` is what a client needs of them, written
to `state.json` for other processes. A component that cannot be had leaves its address None and its
reason in `missing`; the others run.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.stack.cache import checkout_folder, locked
from tests.stack.install import MissingError, redis_server
from tests.stack.kafka import Kafka
from tests.stack.process import NotReadyError, end_process, started_at
from tests.stack.redis import DistributionRedis, Redis
from tests.stack.registry import Registry
from tests.stack.s3 import ACCESS_KEY, REGION, S3, SECRET_KEY


@dataclass(frozen=True)
class Addresses:
    """Where the components of a stack answer; None for one that is missing."""

    kafka: str | None = None
    registry_url: str | None = None
    s3_url: str | None = None
    s3_access_key: str = ACCESS_KEY
    s3_secret_key: str = SECRET_KEY
    s3_region: str = REGION
    redis_url: str | None = None
    redis_server_url: str | None = None
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """One process of a detached stack."""

    name: str
    pid: int
    started: int
    log: str

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return started_at(self.pid) == self.started


class Stack:
    """The components as processes of ours. A context manager: started on entry, stopped on exit."""

    def __init__(self, folder: Path, *, detached: bool = False) -> None:
        distribution = redis_server()
        self.kafka = Kafka(folder / "kafka", detached=detached)
        self.registry = Registry(folder / "registry", detached=detached)
        self.s3 = S3(folder / "s3", detached=detached)
        self.redis = Redis(folder / "redis", detached=detached)
        self.redis_server = (
            DistributionRedis(folder / "redis-server", binary=distribution, detached=detached)
            if distribution
            else None
        )
        self.missing: dict[str, str] = {}

    def start(self) -> None:
        """Start all, then wait for all; what cannot be had is noted in `missing`."""
        every = [self.redis, self.redis_server, self.s3, self.registry, self.kafka]
        present = [each for each in every if each is not None]
        for step in ("launch", "wait"):
            for component in present:
                if component.name in self.missing:
                    continue
                try:
                    getattr(component, step)()
                except (MissingError, NotReadyError) as error:
                    self.missing[component.name] = str(error)
                    component.kill()

    def stop(self) -> None:
        """Stop all."""
        for component in (self.kafka, self.registry, self.s3, self.redis, self.redis_server):
            if component is not None:
                component.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def addresses(self) -> Addresses:
        """What clients need."""
        return Addresses(
            kafka=self.kafka.address if "kafka" not in self.missing else None,
            registry_url=self.registry.url if "registry" not in self.missing else None,
            s3_url=self.s3.url if "s3" not in self.missing else None,
            redis_url=self.redis.url if "redis" not in self.missing else None,
            redis_server_url=(
                self.redis_server.url
                if self.redis_server and self.redis_server.name not in self.missing
                else None
            ),
            missing=dict(self.missing),
        )

    def processes(self) -> list[Running]:
        """The processes that run, for `state.json`."""
        every = [*self.kafka.brokers, self.registry, self.s3, self.redis, self.redis_server]
        return [
            Running(each.name, each.pid, started_at(each.pid) or 0, str(each.log))
            for each in every
            if each is not None and each.running
        ]


def state_file() -> Path:
    """Where the running stack of this checkout is written down."""
    return checkout_folder() / "state.json"


def running() -> tuple[Addresses, list[Running]] | None:
    """The stack that `up` started and that is whole still; None otherwise."""
    found = _read()
    if found is None or not all(each.alive for each in found[1]):
        return None
    return found


def up() -> Addresses:
    """Start this checkout's stack, or take the one that runs."""
    with locked(checkout_folder() / "lock"):
        found = running()
        if found is not None and not found[0].missing:
            return found[0]
        _end()
        folder = checkout_folder() / "run"
        shutil.rmtree(folder, ignore_errors=True)
        stack = Stack(folder, detached=True)
        try:
            stack.start()
        except BaseException:
            stack.stop()
            raise
        state = {
            "addresses": dataclasses.asdict(stack.addresses),
            "processes": [dataclasses.asdict(each) for each in stack.processes()],
        }
        part = state_file().with_suffix(".part")
        part.write_text(json.dumps(state, indent=2) + "\n")
        part.replace(state_file())
        return stack.addresses


def down() -> int:
    """Stop this checkout's stack by pid; how many processes were ended."""
    with locked(checkout_folder() / "lock"):
        ended = _end()
        shutil.rmtree(checkout_folder() / "run", ignore_errors=True)
        return ended


def _end() -> int:
    found = _read()
    state_file().unlink(missing_ok=True)
    return sum(end_process(each.pid, each.started) for each in found[1]) if found else 0


def _read() -> tuple[Addresses, list[Running]] | None:
    if not state_file().exists():
        return None
    state = json.loads(state_file().read_text())
    return Addresses(**state["addresses"]), [Running(**each) for each in state["processes"]]
