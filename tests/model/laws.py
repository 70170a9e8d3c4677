"""What must hold at every moment, whoever writes: watched where it is written, and after everything that happens.

- the changelog: epochs and positions of its markers never fall, sequences grow; so nothing of a fenced owner is seen
- the shuffle: each record covers the source from where the one before ended
- local state is the changelog's at its marker, never ahead of it
- Redis is never ahead of the local state of who writes, and no key's `_event_time`, `_as_of` or lifetime count falls
- each bad event has one dead letter
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from aiokafka import TopicPartition

from agents.shuffle import decode, target_of
from headrace.topics import dead_letter_topic
from tables import marker as markers
from tables.marker import Marker
from tables.store import _FOLDER, partition_prefix
from tests.model import definitions
from tests.model.kafka import Record

if TYPE_CHECKING:
    from tests.model.process import Process
    from tests.model.redis import Hash
    from tests.model.worker import Worker
    from tests.model.world import World


@dataclass
class Changelog:
    """What one changelog partition says, to its committed end."""

    marker: Marker | None = None
    state: dict[bytes, bytes] = field(default_factory=dict)
    at: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    """State at each marker, by the offset behind it."""
    markers: dict[int, Marker] = field(default_factory=dict)
    values: dict[bytes, list[tuple[int, bytes | None]]] = field(default_factory=dict)


class Laws:
    """`broken`: what did not hold, to be raised by `check`."""

    def __init__(self, world: World) -> None:
        self.broken: list[str] = []
        self.buried: list[tuple[int, int]] = []
        self.resending = False
        self._world = world
        self._changelogs: dict[TopicPartition, Changelog] = {}
        self._covered: dict[tuple[TopicPartition, str], int] = {}
        self._seen: dict[str, Hash] = {}

    def check(self) -> None:
        """Raises AssertionError for the first law that was broken."""
        for slot in range(len(self._world.disks)):
            self._local(slot)
        assert not self.broken, "\n".join(self.broken)

    # -- Kafka

    def committed(self, tp: TopicPartition, records: list[Record]) -> None:
        if ".changelog." in tp.topic or ".sent." in tp.topic:
            self._logged(tp, records)
        elif ".repartition." in tp.topic:
            self._sent(tp, records)
        elif tp.topic == dead_letter_topic(definitions.NAME):
            self._died(records)

    def _logged(self, tp: TopicPartition, records: list[Record]) -> None:
        log = self._changelogs.setdefault(tp, Changelog())
        for offset, key, value in records:
            assert key is not None
            if key != markers.KEY:
                log.values.setdefault(key, []).append((offset, value))
                if value is None:
                    log.state.pop(key, None)
                else:
                    log.state[key] = value
                continue
            assert value is not None
            marker = Marker.decode(value)
            if (before := log.marker) is not None:
                fell = [s for s, p in before.positions.items() if marker.positions.get(s, -1) < p]
                if marker.epoch < before.epoch or marker.sequence != before.sequence + 1 or fell:
                    self.broken.append(f"{tp}: marker {marker} came after {before}")
            log.marker = marker
            log.at[offset + 1] = dict(log.state)
            log.markers[offset + 1] = marker

    def _sent(self, tp: TopicPartition, records: list[Record]) -> None:
        for _, _, value in records:
            assert value is not None
            coverage, _ = decode(value)
            before = self._covered.get((tp, coverage.source), 0)
            if coverage.start != before and not self.resending:
                self.broken.append(f"{tp}: {coverage} came after a coverage up to {before}")
            self._covered[tp, coverage.source] = coverage.end

    def _died(self, records: list[Record]) -> None:
        for _, _, value in records:
            assert value is not None
            self.buried.append(self._place(value))

    def _place(self, value: bytes) -> tuple[int, int]:
        """A bad event's value is its own name: `n` is unique."""
        n = orjson.loads(value)["n"]
        return next((c.partition, c.offset) for c in self._world.clicks if c.n == n and c.bad)

    # -- local state

    def _tables(self, slot: int) -> dict[str, int]:
        raw = self._world.disks[slot].data.get(_FOLDER)
        return {} if raw is None else orjson.loads(raw)["tables"]

    def _marker(self, slot: int, table: str, partition: int) -> Marker | None:
        id = self._tables(slot).get(table)
        raw = None if id is None else self._world.disks[slot].data.get(partition_prefix(id, partition) + b"m")
        return None if raw is None else Marker.decode(raw)

    def _local(self, slot: int) -> None:
        data = self._world.disks[slot].data
        for table, id in self._tables(slot).items():
            for partition in range(definitions.PARTITIONS):
                marker = self._marker(slot, table, partition)
                prefix = partition_prefix(id, partition) + b"s"
                here = {k[len(prefix) :]: v for k, v in data.items() if k.startswith(prefix)}
                if marker is None:
                    if here:
                        self.broken.append(f"machine {slot}: {table}[{partition}] has state and no marker")
                    continue
                log = self._changelogs.get(TopicPartition(_changelog(table), partition), Changelog())
                self._compare(f"machine {slot}: {table}[{partition}]", marker, here, log)

    def _compare(self, what: str, marker: Marker, here: dict[bytes, bytes], log: Changelog) -> None:
        logged = log.markers.get(marker.changelog)
        if logged is None or logged != marker.logged(logged.flush_start, logged.changelog):
            self.broken.append(f"{what} is at {marker}, where the changelog has {logged}")
            return
        then = log.at[marker.changelog]
        for key in {*here, *then}:
            later = [v for offset, v in log.values.get(key, ()) if offset >= marker.changelog]
            if here.get(key) != then.get(key) and here.get(key) not in later:
                self.broken.append(f"{what}: {key!r} is not what the changelog says at {marker}")

    # -- Redis

    def written(self, key: str, hash: Hash, process: Process) -> None:
        before = self._seen.get(key, {})
        for name in ("_event_time", "_as_of"):
            if name in before and hash[name] < before[name]:
                self.broken.append(
                    f"{process.name} let {name} of {key} fall from {before[name]} to {hash[name]}"
                )
        if int(hash.get("count", 0)) < int(before.get("count", 0)):
            self.broken.append(f"{process.name} let {key} fall from {before} to {hash}")
        self._seen[key] = dict(hash)
        self._leads(key, hash, process)

    def _leads(self, key: str, hash: Hash, process: Process) -> None:
        """The lifetime count must not be of more events than the writer's local state has counted."""
        _, view, entity = key.split(":")
        if "count" not in hash:
            return
        slot = int(process.name.split()[1])
        counted = 0
        for click in self._world.clicks:
            mine = click.user if view == "ever@1" else click.shop
            if mine == entity and not click.bad:
                at = click.partition if view == "ever@1" else target_of(entity, definitions.PARTITIONS)
                marker = self._marker(slot, view, at)
                seen = marker.positions.get(f"{definitions.TOPIC}:{click.partition}", 0) if marker else 0
                counted += click.offset < seen
        if int(hash["count"]) > counted:
            self.broken.append(f"{process.name} wrote {hash} to {key}, its state has counted {counted}")

    def forget(self) -> None:
        """Redis went back to what a replica had: readers see that, whoever writes."""
        self._seen = self._world.redis.hashes()

    # -- workers

    def stopped(self, worker: Worker) -> None:
        """Nothing in this model is for an operator to mend."""
        self.broken.append(f"{worker.process.name} stopped: {worker.stopped!r}")


def _changelog(table: str) -> str:
    """The changelog topic of a table, by its name in the state folder."""
    id, _, source = table.partition(" from ")
    view, version = id.split("@")
    if source:
        return f"headrace.{definitions.NAME}.repartition.{view}.{version}.sent.{source}"
    return f"headrace.{definitions.NAME}.changelog.{view}.{version}"
