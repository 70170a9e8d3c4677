"""Embedded parts for a process whose settings ask for them: started before it, stopped after it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.embedded.kafka import EmbeddedKafka
from app.embedded.redis import EmbeddedRedis
from headrace.definitions import StreamSource
from headrace.project import Project
from headrace.settings import Address, Settings

log = logging.getLogger("headrace")

LIMITS = (
    "the embedded Kafka serves one worker and forgets everything when it ends: no transactions, so no fencing of "
    "a second worker; no changelog, so the state folder is the state"
)
PARTITIONS = 4


@contextmanager
def embedded_parts(settings: Settings, project: Project) -> Iterator[Settings]:
    """The settings with real addresses in place of `embedded`, while those parts run."""
    with ExitStack() as stack:
        changes: dict[str, object] = {}
        if settings.kafka.embedded:
            topics = {
                topic: PARTITIONS
                for source in project.sources.values()
                if isinstance(source, StreamSource)
                for topic in source.topics
            }
            kafka = stack.enter_context(EmbeddedKafka(topics))
            changes["kafka"] = settings.kafka.model_copy(update={"bootstrap": Address(kafka.bootstrap)})
            log.warning("Kafka is embedded, at %s: %s", kafka.bootstrap, LIMITS)
        if settings.redis.embedded:
            redis = stack.enter_context(EmbeddedRedis())
            changes["redis"] = settings.redis.model_copy(update={"url": Address(redis.url)})
            log.warning("Redis is embedded, at %s: it forgets everything when it ends", redis.url)
        yield settings.model_copy(update=changes)
