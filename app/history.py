"""The composition root of the history flow: settings and definitions in, a Faust app out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.features import agent_of
from agents.history import HistoryFlow, Keeper
from agents.stages import decoder_of
from app.clock import now_us
from app.failpoints import failpoint
from app.faust_app import HeadraceApp, faust_app, raw_topic
from app.kafka import Cluster
from app.membership import watch
from headrace.definitions import StreamSource
from headrace.errors import HeadraceError, StateError
from headrace.history.access import options_of
from headrace.history.account import writer_of
from headrace.history.schema import HistorySchema
from headrace.history.storage import table_uri
from headrace.history.table import HistoryTable
from headrace.plan import SourcePlan
from headrace.project import Project
from headrace.registry import SchemaRegistry
from headrace.settings import Settings
from tables.kafka.topics import Topics

log = logging.getLogger("headrace.history")


@dataclass
class History:
    """A history process's parts."""

    app: HeadraceApp
    flow: HistoryFlow
    end: Callable[[str, int], int]
    """Where the log of a partition ends now."""


def group_of(project: str) -> str:
    """The consumer group of a project's history."""
    return f"headrace.{project}.history"


def history(project: Project, settings: Settings, cluster: Cluster) -> History:
    """Build a history process. Raises StateError, SchemaError or UnavailableError before anything runs."""
    name = settings.project
    registry = SchemaRegistry(settings.registry.url) if settings.registry.url else None
    options = options_of(settings)
    keepers: dict[str, Keeper] = {}
    for source in project.sources.values():
        if not isinstance(source, StreamSource):
            continue
        keeper = Keeper(
            source.name,
            SourcePlan(source),
            decoder_of(source, registry.by_id if registry else None),
            HistoryTable(
                table_uri(settings.history.uri, name, source.name),
                HistorySchema(source.columns, event_time=None),
                writer=writer_of(name, source.name),
                storage_options=options,
            ),
        )
        keepers |= dict.fromkeys(source.topics, keeper)
    if not keepers:
        raise StateError("no stream source is declared: there is nothing to keep")
    topics = Topics(cluster.confluent(), embedded=cluster.embedded)
    found = topics.describe(list(keepers))
    missing = [t for t in keepers if t not in found]
    if missing:
        raise StateError(f"these topics of the sources do not exist: {', '.join(missing)}. Create them")
    app = faust_app(
        group_of(name),
        cluster,
        instance=f"{settings.kafka.instance}-history" if settings.kafka.instance else None,
        datadir=str(Path(settings.state.dir) / ".faust-history"),
    )

    async def crash(error: BaseException) -> None:
        log.error("stopping: %s", error, exc_info=None if isinstance(error, HeadraceError) else error)
        await app.crash(error)

    flow = HistoryFlow(
        keepers,
        every=settings.history.every / 1_000_000,
        events=settings.history.events,
        now=now_us,
        start=lambda topic, partition: topics.offsets(topic, partition, end=False),
        settling=lambda: bool(app.rebalancing or app.should_stop),
        crash=crash,
        failpoint=failpoint(settings.failpoint),
    )
    app.flow = flow

    def forget(message: Any) -> None:
        message.acked = True
        app.consumer._unacked_messages.discard(message)

    app.agent(raw_topic(app, list(keepers)), name="history")(
        agent_of(flow.add, lambda: int(app.consumer_generation_id), forget, crash)
    )

    watch(app, group_of(name), {t: found[t].partitions for t in keepers}, topics)

    @app.task
    async def commit_timer() -> None:
        await flow.run(lambda: bool(app.should_stop))

    return History(app, flow, end=lambda topic, partition: topics.offsets(topic, partition, end=True))
