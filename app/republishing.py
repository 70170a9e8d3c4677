"""Asking the workers to write a view's features to Redis again, and waiting until they have."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from app.reading import consumer, partitions_of
from headrace.definitions import FeatureView, StreamSource, UpdateSource
from headrace.errors import StateError, UsageError
from headrace.online.keys import python_entity_key
from headrace.online.requests import Requests
from headrace.project import Project
from headrace.settings import Settings
from headrace.topics import repartition_topic, update_topic

EVERY = 0.2


def republish(
    project: Project,
    settings: Settings,
    view: FeatureView,
    entities: Sequence[dict[str, object]] | None,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """``{"view", "partitions", "done", "missing", "entities", "seconds"}``, once every partition has written its
    entities (all of them, or those given) again, or `timeout` seconds have passed.

    `missing` names the partitions that have not: no worker owns them, or it is still at it.
    """
    if settings.redis.embedded:
        raise UsageError("redis.url is `embedded`: that server lives inside the process that started it")
    plan = project.plan(view)
    places = places_of(project, settings, view)
    types = list(view.entity.keys.values())
    keys = None if entities is None else [python_entity_key(list(e.values()), types) for e in entities]
    begun, id = clock(), uuid4().hex
    with Requests(settings.redis.url, settings.project) as requests:
        requests.ask(id, plan.id, keys)
        while True:
            request = requests.get(id)
            done = {} if request is None else request.done
            missing = [p for p in places if p not in done]
            if not missing or clock() - begun >= timeout:
                break
            if request is None:
                raise StateError(
                    "Redis lost the request: it lost the features, too. They are written again unasked"
                )
            sleep(EVERY)
        if not missing:
            requests.close_request(id)
    return {
        "view": plan.id,
        "partitions": len(places),
        "done": len(places) - len(missing),
        "missing": missing,
        "entities": sum(done.values()),
        "seconds": round(clock() - begun, 3),
    }


def places_of(project: Project, settings: Settings, view: FeatureView) -> list[str]:
    """The partitions that the view's state is kept by, as ``topic:partition``. UsageError for a view that workers do
    not keep online, StateError where no worker has run yet, UnavailableError.
    """
    plan = project.plan(view)
    source = plan.source.source
    if not isinstance(source, StreamSource) or not view.online:
        raise UsageError(f"`{plan.id}` is not kept online by workers: there is nothing to write again")
    if plan.shuffled:
        topic = repartition_topic(settings.project, view.name, view.version)
    elif isinstance(source, UpdateSource):
        topic = update_topic(settings.project, source.view.name)
    else:
        topic = source.topics[0]
    client = consumer(settings.kafka, "headrace.reading")
    try:
        found = partitions_of(client, topic, settings.kafka.bootstrap)
    finally:
        client.close()
    if not found:
        raise StateError(f"topic `{topic}` does not exist: no worker has run yet")
    return [f"{topic}:{p}" for p in found]
