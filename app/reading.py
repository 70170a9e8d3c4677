"""Reads a topic to its end, once, without joining a group. For people who look, not for processes that compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from app.kafka import confluent_options
from headrace.errors import UnavailableError
from headrace.settings import KafkaSettings

SILENCE_SECONDS = 10.0


def consumer(settings: KafkaSettings, group: str, **options: Any) -> Consumer:
    """A consumer that commits nothing."""
    return Consumer(
        {
            **confluent_options(settings),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            **options,
        }
    )


def partitions_of(client: Consumer, topic: str, bootstrap: str, timeout: float = 5.0) -> list[int]:
    """The partitions of a topic, in order; none if there is no such topic. UnavailableError if nobody answers."""
    try:
        found = client.list_topics(timeout=timeout).topics.get(topic)
    except KafkaException as error:
        raise UnavailableError(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from None
    return sorted(found.partitions) if found is not None and found.error is None else []


def read_to_end(settings: KafkaSettings, topic: str) -> Iterator[Message]:
    """Every committed record of a topic, a partition in order of offset, up to the end it has when it is reached."""
    client = consumer(settings, "headrace.reading")
    try:
        partitions = partitions_of(client, topic, settings.bootstrap)
        left = set(partitions)
        client.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        while left:
            messages = client.consume(500, timeout=SILENCE_SECONDS)
            if not messages:
                raise UnavailableError(
                    f"Kafka at {settings.bootstrap} sent nothing for {SILENCE_SECONDS:.0f} s"
                )
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise UnavailableError(f"Kafka at {settings.bootstrap}, topic {topic}: {error.str()}")
    finally:
        client.close()
