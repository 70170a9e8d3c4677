"""Reads a topic to its end, once, without joining a group. For people who look, not for processes that compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from app.kafka import confluent_options
from headrace.errors import UnavailableError
from headrace.settings import KafkaSettings

SILENCE_SECONDS = 10.0
SLICE_SECONDS = 0.05


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


def read_to_end(settings: KafkaSettings, topic: str, timeout: float = 5.0) -> Iterator[Message]:
    """Every committed record of a topic, a partition in order of offset, up to the end it has when it is reached.

    UnavailableError if Kafka does not answer within `timeout` seconds, or falls silent.
    """
    client = consumer(settings, "headrace.reading")
    try:
        partitions = partitions_of(client, topic, settings.bootstrap, timeout)
        left = set(partitions)
        client.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        silent = 0
        while left:
            messages = client.consume(1_000, timeout=SLICE_SECONDS)  # waits for all of so many, or so long
            silent = 0 if messages else silent + 1
            if silent * SLICE_SECONDS > SILENCE_SECONDS:
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
