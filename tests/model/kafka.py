"""A double of Kafka's log: offsets, transactions, fencing epochs, and what a read_committed reader sees.

As in Kafka, a transaction's records lie in the log at once and its end is a control record of their partition;
a reader stops before the first open transaction (the last stable offset) and is told which ones were aborted. Whoever
initialises a transactional id raises its epoch and aborts what its predecessor left open.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import aiokafka.errors as errors
from aiokafka import TopicPartition
from aiokafka.record.memory_records import MemoryRecords

from headrace.wire.building import control_bytes

Record = tuple[int, bytes | None, bytes | None]
"""(offset, key, value)"""


@dataclass
class Stored:
    base: int
    end: int
    data: bytes


@dataclass
class Log:
    """One partition."""

    start: int = 0
    end: int = 0
    batches: list[Stored] = field(default_factory=list)
    open: dict[int, int] = field(default_factory=dict)
    """Producer id -> where its open transaction begins."""
    aborted: list[tuple[int, int, int]] = field(default_factory=list)
    """(producer id, first offset, offset of the control record)."""
    committed: list[Record] = field(default_factory=list)
    """What a read_committed reader will ever see, in order."""

    @property
    def stable(self) -> int:
        return min([self.end, *self.open.values()])

    def append(self, data: bytes) -> int:
        base = self.end
        (last,) = struct.unpack_from(">i", data, 23)
        self.batches.append(Stored(base, base + last + 1, struct.pack(">q", base) + data[8:]))
        self.end = base + last + 1
        return base

    def read(self, position: int, limit: int) -> tuple[bytes, list[tuple[int, int]]]:
        """At most `limit` batches from `position` on, and the aborted transactions that concern them."""
        found = [b for b in self.batches if b.end > max(position, self.start) and b.base < self.stable][
            :limit
        ]
        if not found:
            return b"", []
        aborted = [
            (p, first) for p, first, last in self.aborted if last >= found[0].base and first < found[-1].end
        ]
        return b"".join(b.data for b in found), aborted


@dataclass
class Transactional:
    """The coordinator's record of a transactional id."""

    producer_id: int
    epoch: int = -1
    parts: dict[TopicPartition, list[Stored]] = field(default_factory=dict)


class Broker:
    """`committed(tp, records)` is called as a transaction's records, or plain ones, become visible."""

    def __init__(self, committed: Callable[[TopicPartition, list[Record]], None]) -> None:
        self.topics: dict[str, list[Log]] = {}
        self._ids: dict[str, Transactional] = {}
        self._committed = committed

    def create(self, topic: str, partitions: int) -> None:
        self.topics[topic] = [Log() for _ in range(partitions)]

    def log(self, tp: tuple[str, int]) -> Log:
        return self.topics[tp[0]][tp[1]]

    def produce(self, topic: str, partition: int, data: bytes) -> int:
        """Outside of any transaction."""
        log = self.log((topic, partition))
        base = log.append(data)
        self._seen(TopicPartition(topic, partition), [log.batches[-1]])
        return base

    # -- transactions

    def init(self, name: str) -> tuple[int, int]:
        """(producer id, epoch): the predecessor is fenced, and what it left open is aborted."""
        found = self._ids.setdefault(name, Transactional(len(self._ids)))
        self._end(found, commit=False)
        found.epoch += 1
        return found.producer_id, found.epoch

    def add(self, name: str, epoch: int, tp: TopicPartition, data: bytes) -> int:
        """Append a batch to the id's transaction; returns its base offset."""
        found = self._fenced(name, epoch)
        log = self.log(tp)
        base = log.append(data)
        log.open.setdefault(found.producer_id, base)
        found.parts.setdefault(tp, []).append(log.batches[-1])
        return base

    def end(self, name: str, epoch: int, commit: bool) -> None:
        self._end(self._fenced(name, epoch), commit)

    def time_out(self) -> None:
        """The coordinator gives up every transaction that is open, and fences those who had them."""
        for found in self._ids.values():
            if found.parts:
                self._end(found, commit=False)
                found.epoch += 1

    def _fenced(self, name: str, epoch: int) -> Transactional:
        found = self._ids[name]
        if epoch != found.epoch:
            raise errors.ProducerFenced()
        return found

    def _end(self, found: Transactional, commit: bool) -> None:
        parts, found.parts = found.parts, {}
        for tp, batches in parts.items():
            log = self.log(tp)
            control = log.append(control_bytes(base=0, producer=found.producer_id, commit=commit))
            first = log.open.pop(found.producer_id)
            if commit:
                self._seen(tp, batches)
            else:
                log.aborted.append((found.producer_id, first, control))

    def _seen(self, tp: TopicPartition, batches: list[Stored]) -> None:
        records: list[Record] = []
        for stored in batches:
            batch = MemoryRecords(stored.data).next_batch()
            records += [(r.offset, r.key, r.value) for r in batch]
        self.log(tp).committed += records
        self._committed(tp, records)
