"""A scene: a deployment under load with a producer and a reader, and the things that a fault can do in it."""

from __future__ import annotations

import random
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import httpx

from tests.faults.fault import Fault
from tests.faults.ground import Ground
from tests.faults.reader import Reader
from tests.faults.topic import Record, records
from tests.faults.traffic import Traffic
from tests.faults.workload import PARTITIONS, PROJECT, EventTime, Orders
from tests.integration.deployment import Deployment, Process, on_s3
from tests.integration.polling import until
from tests.stack.kafka import Kafka
from tests.stack.redis import Redis
from tests.stack.s3 import create_bucket, storage_options
from tests.stack.toxiproxy import Proxy

TASKS = 2 * PARTITIONS
"""Of the topic, and of the repartition topic of the shuffled view."""


class Scene:
    """One fault's deployment. A context manager: everything it started ends with it.

    `rng` decides all that is random in the scene. `workers` are those that should be running, by slot: a name that
    is also the worker's static group instance and its state folder.
    """

    def __init__(self, ground: Ground, fault: Fault, seed: int, folder: Path) -> None:
        self.fault = fault
        self.ground = ground
        self.seed = seed
        self.folder = folder
        self.rng = random.Random(f"{fault.id} {seed}")
        self.workers: dict[str, Process] = {}
        self.histories: dict[str, Process] = {}
        self.retired: list[Process] = []
        self.healed_at: float | None = None
        self.right_at: float | None = None
        self.frozen: list[Record] | None = None
        self.offset_file = folder / "clock-offset"
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            self.deployment = ends.enter_context(self._deploy())
            self.topic = self.deployment.topics["orders"]
            event_time = EventTime(time.time_ns() // 1000, 1) if self.fault.wall else EventTime()
            self.traffic = Traffic(
                self.ground.components.kafka,
                self.topic,
                Orders(random.Random(f"orders {self.seed}"), event_time, self.fault.hot),
                event_time,
                self.fault.rate,
                self.seed,
            )
            if self.fault.framed:
                self.traffic.prefix = b"\x00" + struct.pack(">I", self._registered())
            url = self.deployment.environment["HEADRACE_REDIS__URL"]
            self.reader = Reader(url, self.deployment.project, forgets=self.fault.forgets)
            ends.callback(self.reader.stop)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _deploy(self) -> Deployment:
        settings = {
            "HEADRACE_ENGINE__CLOCK": "wall" if self.fault.wall else "event",
            "HEADRACE_HISTORY__EVERY": "1s",
        }
        if self.ground.s3 is not None and self.ground.front is not None:
            create_bucket(self.ground.s3.url, "lake")
            settings |= on_s3("s3://lake/history", self.ground.front.url)
        return Deployment(
            self.folder,
            self.ground.components,
            PROJECT,
            {"orders": PARTITIONS},
            {**settings, **self.fault.settings},
            edit=self.fault.edit,
        )

    def _registered(self) -> int:
        """The id that the registry gives to the orders' schema."""
        schema = (PROJECT / "schemas" / "order.avsc").read_text()
        url = f"{self.ground.components.registry_url}/subjects/{self.topic}-value/versions"
        answer = httpx.post(url, json={"schema": schema}, timeout=30)
        answer.raise_for_status()
        return int(answer.json()["id"])

    @property
    def redis(self) -> Redis:
        """The scene's own Redis."""
        assert self.ground.redis is not None
        return self.ground.redis

    @property
    def link(self) -> Proxy:
        """Everybody's way to the scene's own Redis."""
        assert self.ground.link is not None
        return self.ground.link

    @property
    def cluster(self) -> Kafka:
        """The scene's own Kafka."""
        assert self.ground.kafka is not None
        return self.ground.kafka

    @property
    def kafka(self) -> str:
        """Bootstrap address of the scene's Kafka."""
        return self.ground.components.kafka

    @property
    def history_table(self) -> tuple[str, dict[str, str]]:
        """Address of the Delta table, and what a reader needs to reach it, past any front."""
        uri = self.deployment.environment["HEADRACE_HISTORY__URI"]
        options = storage_options(self.ground.s3.url) if self.ground.s3 is not None else {}
        return f"{uri}/{self.deployment.project}/sources/orders", options

    # -- processes

    def worker(
        self,
        slot: str = "w1",
        *,
        failpoint: str | None = None,
        state: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Launch a worker; in place of the last one of its slot, if there was one."""
        process = self.deployment.start(
            "worker",
            state=state or f"state-{slot}",
            failpoint=failpoint,
            environment={"HEADRACE_KAFKA__INSTANCE": slot, **(environment or {})},
        )
        self._replace(self.workers, slot, process)
        return process

    def history(
        self, slot: str = "h1", *, failpoint: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Launch a history process, as `worker`."""
        process = self.deployment.start(
            "history",
            state=f"state-{slot}",
            failpoint=failpoint,
            environment={"HEADRACE_KAFKA__INSTANCE": slot, **(environment or {})},
        )
        self._replace(self.histories, slot, process)
        return process

    def _replace(self, those: dict[str, Process], slot: str, process: Process) -> None:
        if slot in those:
            self.retired.append(those[slot])
        those[slot] = process

    def worker_anew(self, slot: str) -> Process:
        """SIGKILL a worker, wherever it is, and launch its successor."""
        self.workers[slot].kill()
        return self.worker(slot)

    def stop(self, slot: str) -> Process:
        """SIGTERM a worker, which must end with 0; returns it."""
        process = self.retire(slot)
        process.terminate()
        process.ended_well(self.fault.seconds)
        return process

    def retire(self, slot: str) -> Process:
        """A worker that is not to be running any more; returns it."""
        process = self.workers.pop(slot)
        self.retired.append(process)
        return process

    def opened(self, process: Process) -> int:
        """How often a process has opened a partition."""
        return process.text.count("open at offset")

    @contextmanager
    def small_disk(self, folder: Path, megabytes: int) -> Iterator[None]:
        """A disk of its own for `folder`, which only root can give."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    # -- waiting

    def until(self, what: str, look: Callable[[], object], seconds: float | None = None) -> None:
        """Wait for a condition; a process that ends meanwhile, though it should run, is an error at once."""

        def looked() -> bool:
            self.alive()
            return bool(look())

        until(what, looked, self.fault.seconds if seconds is None else seconds)

    def alive(self) -> None:
        """Every worker and history process that should be running is. Raises AssertionError."""
        if self.traffic.failure is not None:
            raise AssertionError(f"the producer failed: {self.traffic.failure!r}")
        for slot, process in [*self.workers.items(), *self.histories.items()]:
            assert process.running, f"{slot} ended with {process.code}:\n{process.log_tail(30)}"

    def flow(self, least: int, most: int | None = None) -> None:
        """Let so many events be sent; a random number between the two."""
        wanted = self.traffic.sent + (least if most is None else self.rng.randint(least, most))
        self.until(f"{wanted} events", lambda: self.traffic.sent >= wanted)

    def last(self, seconds: float) -> None:
        """Let so much time pass, in which events flow. For faults that are a time: a latency, an outage."""
        end = time.monotonic() + seconds
        self.until(f"{seconds} s", lambda: time.monotonic() >= end)

    def fresh(self) -> None:
        """Return when every probe shows an order that is sent after this call."""
        number = self.traffic.orders.number
        self.until(f"fresh values (order {number})", lambda: self.reader.fresh(number))

    def healed(self) -> None:
        """The harm is over: from here it counts how long it takes until all is right again."""
        self.healed_at = time.monotonic()

    def settled(self) -> None:
        """After `inject`: every probe shows what was sent after the harm was over; notes when that was."""
        if self.healed_at is None:
            self.healed()
        self.fresh()
        self.right_at = time.monotonic()

    def freeze(self) -> None:
        """Nothing sent from here on may count: what is on the topic now is what Redis must have at the end."""
        self.frozen = records(self.kafka, self.topic)
