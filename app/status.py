"""What answers, how far behind the consumers are, and how many events were refused. Looks, and changes nothing."""

from __future__ import annotations

from typing import Any

import redis
from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.clock import now_us
from app.reading import consumer, partitions_of, read_to_end
from app.standing import refreshes_of, shadows_of
from headrace.definitions import FeatureView, StreamSource
from headrace.errors import HeadraceError, UnavailableError
from headrace.online.address import parse_address
from headrace.online.reports import Reports
from headrace.project import Project
from headrace.registry import SchemaRegistry, UnknownSchemaError
from headrace.settings import Settings
from headrace.topics import dead_letter_topic, update_topic

TIMEOUT = 5.0
COUNTED = 10_000  # offsets of the dead-letter topic that are read to be counted
EMBEDDED = "embedded: it lives inside the process that started it, and only that one sees it"


def groups_of(project: str) -> dict[str, str]:
    """The consumer groups of a project's processes."""
    return {"worker": f"headrace.{project}.worker", "history": f"headrace.{project}.history"}


def status(project: Project, settings: Settings) -> dict[str, Any]:
    """``{"project", "ok", "parts": [{"part", "address", "ok", "detail"}], "lag": [...], "workers", "shadows",
    "refreshes", "dead_letters"}``.

    `lag` has a row for each process, topic and partition: committed offset, end, and events between them (None
    where nothing was committed yet). `workers`: what each said of itself last, and how many seconds ago: partitions
    open and opening, restores under way, warm copies and their lag. `shadows` and `refreshes`: see `app.standing`.
    `dead_letters` is None where Kafka does not answer.
    """
    parts = [_redis(settings), *_registry(settings)]
    lag: list[dict[str, Any]] = []
    letters: int | None = None
    kafka: dict[str, Any] = {
        "part": "kafka",
        "address": repr(settings.kafka.bootstrap).strip("'"),
        "ok": None,
        "detail": EMBEDDED,
    }
    if not settings.kafka.embedded:
        try:
            lag, letters = _lags(project, settings), _count(settings)
            kafka |= {"ok": True, "detail": "answers"}
        except UnavailableError as error:
            kafka |= {"ok": False, "detail": str(error)}
    parts.insert(0, kafka)
    ok = all(part["ok"] is not False for part in parts)
    workers = _workers(settings)
    return {
        "project": settings.project,
        "ok": ok,
        "parts": parts,
        "lag": lag,
        "workers": workers,
        "shadows": shadows_of(project, settings, now_us()) if ok else [],
        "refreshes": refreshes_of(project, settings, now_us()),
        "dead_letters": letters,
    }


def _workers(settings: Settings) -> list[dict[str, Any]]:
    if settings.redis.embedded:
        return []
    try:
        with Reports(settings.redis.url, settings.project, timeout=TIMEOUT) as reports:
            found = reports.all()
    except HeadraceError:  # what is wrong with Redis, its own part says
        return []
    now = now_us()
    return [{**r, "seconds_ago": round((now - r.pop("at")) / 1e6, 1)} for r in found]


def _redis(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = {"part": "redis", "address": repr(settings.redis.url).strip("'")}
    if settings.redis.embedded:
        return told | {"ok": None, "detail": EMBEDDED}
    parse_address(settings.redis.url)
    client = redis.Redis.from_url(settings.redis.url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        return told | {"ok": False, "detail": f"does not answer: {error}"}
    finally:
        client.close()
    return told | {"ok": True, "detail": "answers"}


def _registry(settings: Settings) -> list[dict[str, Any]]:
    if settings.registry.url is None:
        return []
    told = {"part": "registry", "address": repr(settings.registry.url).strip("'")}
    try:
        with SchemaRegistry(settings.registry.url, timeout=TIMEOUT) as registry:
            registry.latest("headrace-status")
    except UnknownSchemaError:
        pass  # it answered that it has none, which is all we asked
    except HeadraceError as error:
        return [told | {"ok": False, "detail": str(error)}]
    return [told | {"ok": True, "detail": "answers"}]


def _lags(project: Project, settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    topics = [(s.name, t) for s in project.sources.values() if isinstance(s, StreamSource) for t in s.topics]
    updates = sorted(
        {
            (v.source.id, update_topic(settings.project, v.source.name))
            for v in project.views.values()
            if v.online and isinstance(v.source, FeatureView)
        }
    )
    for process, group in groups_of(settings.project).items():
        client = consumer(settings.kafka, group)
        try:
            for source, topic in topics + (updates if process == "worker" else []):
                rows += _lag(client, process, source, topic, settings.kafka.bootstrap)
        except KafkaException as error:
            raise UnavailableError(
                f"Kafka at {settings.kafka.bootstrap} does not answer: {error.args[0].str()}"
            ) from None
        finally:
            client.close()
    return rows


def _lag(client: Consumer, process: str, source: str, topic: str, bootstrap: str) -> list[dict[str, Any]]:
    told = {"process": process, "source": source, "topic": topic}
    partitions = partitions_of(client, topic, bootstrap, TIMEOUT)
    if not partitions:
        unknown = dict.fromkeys(("partition", "committed", "end", "lag"))
        return [told | unknown | {"note": "the topic does not exist"}]
    rows = []
    for found in client.committed([TopicPartition(topic, p) for p in partitions], timeout=TIMEOUT):
        low, high = client.get_watermark_offsets(TopicPartition(topic, found.partition), timeout=TIMEOUT)
        committed = found.offset if found.offset >= 0 else None
        lag = None if committed is None else max(high - max(committed, low), 0)
        rows.append(
            told
            | {"partition": found.partition, "committed": committed, "end": high, "lag": lag, "note": None}
        )
    return rows


def _count(settings: Settings) -> int:
    """How many dead letters there are; where that is a lot, by offsets: markers of transactions are among them."""
    topic = dead_letter_topic(settings.project)
    client = consumer(settings.kafka, "headrace.reading")
    try:
        found = 0
        for partition in partitions_of(client, topic, settings.kafka.bootstrap, TIMEOUT):
            low, high = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)
            found += high - low
    finally:
        client.close()
    return found if found > COUNTED else sum(1 for _ in read_to_end(settings.kafka, topic))
