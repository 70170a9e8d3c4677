"""Topics: making ours, and asking for partition counts, ids and offsets. Synchronous; call it in a thread.

Uses confluent-kafka's admin client, the one of the two clients that tells a topic's id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from headrace.errors import StateError, UnavailableError

log = logging.getLogger("headrace.kafka")

CHANGELOG = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(16 << 20),
    "min.cleanable.dirty.ratio": "0.3",
    "segment.ms": "3600000",
}
"""`compact` only: with `delete`, an idle entity's lifetime value and an idle partition's position would go."""

KEPT = {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": str(16 << 20)}
"""Repartition topics, dead letters and updates that other views count: nothing goes before we say so."""

_NOT_THERE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION}


@dataclass(frozen=True)
class TopicInfo:
    """What the cluster says of a topic. `topic_id` is None where the broker does not tell (embedded)."""

    name: str
    partitions: int
    topic_id: str | None


class Topics:
    """A cluster's topics. Every call raises UnavailableError when Kafka does not answer within `timeout` s."""

    def __init__(self, options: Mapping[str, Any], *, embedded: bool, timeout: float = 10.0) -> None:
        self._admin = AdminClient({**options, "socket.timeout.ms": 10_000})
        self.embedded = embedded
        self._timeout = timeout

    default_partitions = 4
    """What the mock cluster gives a topic that appears on first use."""

    def describe(self, names: Sequence[str]) -> dict[str, TopicInfo]:
        """What exists of `names`; what does not, or what the broker asked does not know yet, is left out."""
        if not names:
            return {}
        if self.embedded:
            return self._listed(names)
        found = {}
        asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=self._timeout)
        for name, future in asked.items():
            try:
                told = future.result()
            except KafkaException as exc:
                if exc.args[0].code() in _NOT_THERE:
                    continue
                raise UnavailableError(f"Kafka tells nothing of `{name}`: {exc.args[0].str()}") from exc
            found[name] = TopicInfo(name, len(told.partitions), str(told.topic_id))
        return found

    def _listed(self, names: Sequence[str]) -> dict[str, TopicInfo]:
        try:
            there = self._admin.list_topics(timeout=self._timeout).topics
        except KafkaException as exc:
            raise UnavailableError(f"Kafka does not answer: {exc.args[0].str()}") from exc
        return {
            n: TopicInfo(n, len(there[n].partitions), None)
            for n in names
            if n in there and there[n].error is None
        }

    def ensure(self, wanted: Mapping[str, tuple[int, Mapping[str, str]]]) -> dict[str, TopicInfo]:
        """Create what is missing of `wanted`: name -> (partitions, configuration). Returns all of it.

        Raises StateError if one exists with another partition count: its records would be in the wrong places.
        """
        if self.embedded:  # the mock cluster makes topics on first use and has no admin calls
            return {n: TopicInfo(n, self.default_partitions, None) for n in wanted}
        there = self.describe(list(wanted))
        for name, (partitions, _) in wanted.items():
            if name in there and there[name].partitions != partitions:
                raise StateError(
                    f"topic `{name}` has {there[name].partitions} partitions, {partitions} are needed: the source's "
                    "partition count changed. Make a new version of the views on it, or restore the count"
                )
        missing = [
            NewTopic(name, partitions, -1, config=dict(config))
            for name, (partitions, config) in wanted.items()
            if name not in there
        ]
        if not missing:
            return there
        for name, future in self._admin.create_topics(missing, request_timeout=self._timeout).items():
            try:
                future.result()
            except KafkaException as exc:
                error: KafkaError = exc.args[0]
                if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise UnavailableError(f"Kafka did not create topic `{name}`: {error.str()}") from exc
        return there | self._await_topics({topic.topic for topic in missing})

    def _await_topics(self, names: Set[str]) -> dict[str, TopicInfo]:
        """Topics just made, when the broker that is asked knows them: the controller answers before it does."""
        end = time.monotonic() + self._timeout
        while left := names - (found := self.describe(list(names))).keys():
            if time.monotonic() > end:
                raise UnavailableError(f"Kafka made topics and does not show them: {', '.join(sorted(left))}")
            time.sleep(0.05)
        return found

    def keep(self, names: Sequence[str]) -> None:
        """Have the broker keep every record of these topics that it compacted so far; leaves others as they are."""
        if self.embedded or not names:
            return
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        try:
            told = self._admin.describe_configs(asked, request_timeout=self._timeout)
            compacted = [
                r.name for r, f in told.items() if "compact" in str(f.result()["cleanup.policy"].value)
            ]
            if not compacted:
                return
            log.info("keeping every update on %s: a derived view counts them", ", ".join(compacted))
            wanted = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
            entries = [
                ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in wanted.items()
            ]
            changes = [ConfigResource(ResourceType.TOPIC, n, incremental_configs=entries) for n in compacted]
            done = self._admin.incremental_alter_configs(changes, request_timeout=self._timeout)
            for future in done.values():
                future.result()
        except KafkaException as exc:
            raise UnavailableError(
                f"Kafka did not set how long to keep updates: {exc.args[0].str()}"
            ) from exc

    def offsets(self, topic: str, partition: int, *, end: bool) -> int:
        """The log's start offset, or its end (one past the last stable record)."""
        spec = OffsetSpec.latest() if end else OffsetSpec.earliest()
        future = self._admin.list_offsets(
            {TopicPartition(topic, partition): spec}, request_timeout=self._timeout
        )
        try:
            (result,) = [f.result() for f in future.values()]
        except KafkaException as exc:
            raise UnavailableError(f"Kafka does not tell offsets of `{topic}`: {exc.args[0].str()}") from exc
        return int(result.offset)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The log's start offset and its end."""
        return self.offsets(topic, partition, end=False), self.offsets(topic, partition, end=True)

    def offset_at(self, topic: str, partition: int, instant_ms: int) -> int:
        """The first offset whose record timestamp is at or after `instant_ms`; the end if there is none."""
        future = self._admin.list_offsets(
            {TopicPartition(topic, partition): OffsetSpec.for_timestamp(instant_ms)},
            request_timeout=self._timeout,
        )
        try:
            (result,) = [f.result() for f in future.values()]
        except KafkaException as exc:
            raise UnavailableError(f"Kafka does not tell offsets of `{topic}`: {exc.args[0].str()}") from exc
        return int(result.offset) if result.offset >= 0 else self.offsets(topic, partition, end=True)

    def assigned(self, group: str) -> Set[tuple[str, int]] | None:
        """The partitions that the members of a group have; None while they are shared out."""
        try:
            told = self._admin.describe_consumer_groups([group], request_timeout=self._timeout)[
                group
            ].result()
        except KafkaException as exc:
            raise UnavailableError(
                f"Kafka does not tell who is in group {group}: {exc.args[0].str()}"
            ) from exc
        if told.state != ConsumerGroupState.STABLE:
            return None
        return {(tp.topic, tp.partition) for m in told.members for tp in m.assignment.topic_partitions}

    def delete_below(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Let the broker drop records below the given offsets (of our own repartition topics)."""
        if self.embedded or not positions:
            return
        targets = [TopicPartition(t, p, offset) for (t, p), offset in positions.items() if offset > 0]
        for future in self._admin.delete_records(targets, request_timeout=self._timeout).values():
            try:
                future.result()
            except KafkaException as exc:
                raise UnavailableError(f"Kafka did not delete records: {exc.args[0].str()}") from exc
