"""The composition root of the features flow: settings and definitions in, a Faust app with its engine out."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from agents.compute import Computer
from agents.engine import Engine, Pace
from agents.features import FeaturesFlow, agent_of
from agents.flush_size import entities_of
from agents.metrics import WorkerMetrics
from agents.opening import Opener
from agents.persist import Persister
from agents.progress import Restores, report
from agents.publishing import publishers
from agents.repartitions import drop_counted
from agents.republish import Republisher
from agents.stages import SourceStage, ViewStage, source_stages
from agents.standby import Standbys
from agents.task import Task
from app.clock import now_us
from app.failpoints import failpoint
from app.faust_app import HeadraceApp, faust_app, raw_topic
from app.kafka import Cluster
from app.membership import watch
from headrace.definitions import UpdateSource
from headrace.errors import HeadraceError, StateError, UnavailableError
from headrace.heap import trim
from headrace.online.reports import Reports
from headrace.online.requests import Requests
from headrace.online.write import OnlineWriter
from headrace.project import Project
from headrace.registry import SchemaRegistry
from headrace.settings import Settings
from headrace.topics import dead_letter_topic
from tables.cache import RecordCache
from tables.kafka.changelog import ChangelogReader
from tables.kafka.producer import PlainProducer, TaskProducer, TransactionalProducer
from tables.kafka.tail import ChangelogTail
from tables.kafka.topics import CHANGELOG, KEPT, TopicInfo, Topics
from tables.store import StateStore
from tables.table import TablePartition

log = logging.getLogger("headrace.worker")

REQUESTS = 1.0  # seconds between looks for requests to write entities again
HOUSEKEEPING = 5.0  # seconds between looks at lag and at repartition topics


@dataclass
class Features:
    """A worker's parts, to be run by Faust and closed with `close`."""

    app: HeadraceApp
    engine: Engine
    standbys: Standbys
    store: StateStore
    online: OnlineWriter
    requests: Requests
    leave: Callable[[], None]
    topics: Topics
    sources: tuple[SourceStage, ...]

    async def close(self) -> None:
        await self.standbys.stop()
        await self.engine.close()
        self.online.close()
        self.requests.close()
        self.leave()
        self.store.close()


def group_of(project: str) -> str:
    """The consumer group of a project's workers."""
    return f"headrace.{project}.worker"


def features(project: Project, settings: Settings, cluster: Cluster) -> Features:
    """Build a worker. Raises StateError, UnavailableError or DefinitionError before anything runs."""
    name = settings.project
    registry = SchemaRegistry(settings.registry.url) if settings.registry.url else None
    sources = source_stages(project, name, clock=settings.clock, resolve=registry.by_id if registry else None)
    if not sources:
        raise StateError("no view is online: there is nothing to do for a worker")
    if cluster.embedded and (early := [v.id for s in sources for v in s.views if v.view.backfill]):
        log.warning("embedded Kafka: %s begin without history, as their source says", ", ".join(early))
    topics = Topics(cluster.confluent(), embedded=cluster.embedded)
    known = declare(sources, topics, settings, name)
    store = StateStore(
        Path(settings.state.dir),
        name,
        changelogged=not cluster.embedded,
    )
    online = OnlineWriter(settings.redis.url)
    app = faust_app(
        group_of(name),
        cluster,
        instance=settings.kafka.instance,
        datadir=str(Path(settings.state.dir) / ".faust"),
        standbys=0 if cluster.embedded else settings.engine.standby,
    )

    async def crash(error: BaseException) -> None:
        log.error("stopping: %s", error, exc_info=None if isinstance(error, HeadraceError) else error)
        await app.crash(error)

    async def pause(what: str, attempt: int) -> None:
        log.warning("waiting: %s", what)
        await asyncio.sleep(min(0.1 * 2**attempt, 5.0))

    metrics = WorkerMetrics()
    changelogs = None if cluster.embedded else ChangelogReader(cluster.aiokafka())
    persister = Persister(
        name,
        store,
        online,
        fenced=not cluster.embedded,
        hash_tag=settings.redis.hash_tag,
        now=now_us,
        lost=lambda task, error: engine.lost(task, error),
        pause=pause,
        failpoint=failpoint(settings.failpoint),
        metrics=metrics,
    )
    repartitions = {
        v.repartition: known[v.repartition].partitions for s in sources for v in s.shuffled if v.repartition
    }
    restores = Restores()
    make = _maker(sources, store, settings, cluster, known, name)
    engine = Engine(
        make=make,
        opener=Opener(store, topics, changelogs, restores),
        computer=Computer(
            settings.clock,
            dead_letter_topic(name),
            repartitions,
            publishers((v for s in sources for v in s.views), name, registry.register if registry else None),
        ),
        persister=persister,
        pace=Pace(
            interval=settings.state.flush_seconds,
            events=settings.state.max_events,
            entities=entities_of(sum(len(s.views) for s in sources)),
        ),
        now=now_us,
        metrics=metrics,
        crash=crash,
    )
    raw = [t for s in sources for t in s.source.topics] + list(repartitions)
    standbys = Standbys(
        make,
        lambda: ChangelogTail(cluster.aiokafka()),
        lambda attempt: asyncio.sleep(min(0.1 * 2**attempt, 5.0)),
    )
    app.flow = FeaturesFlow(
        engine,
        raw,
        lambda: bool(app.rebalancing or app.should_stop),
        standbys=standbys,
        assigned_standbys=lambda: [TopicPartition(*tp) for tp in app.assignor.assigned_standbys()],
    )
    requests, reports = Requests(settings.redis.url, name), Reports(settings.redis.url, name)
    worker = settings.kafka.instance or f"{socket.gethostname()}-{os.getpid()}"

    async def tell() -> None:
        copies = standbys.copies
        metrics.standbys(copies)
        told = report(engine.tasks.values(), restores, copies)  # here, where nobody changes it meanwhile
        await asyncio.to_thread(reports.put, worker, told, now_us())

    def leave() -> None:
        with suppress(HeadraceError):
            reports.remove(worker)
        reports.close()

    watch(app, group_of(name), {t: known[t].partitions for t in raw if t in known}, topics)
    _attach(app, engine, raw, topics, Republisher(requests, repartitions), tell, crash)
    return Features(app, engine, standbys, store, online, requests, leave, topics, sources)


def _attach(
    app: HeadraceApp,
    engine: Engine,
    raw: list[str],
    topics: Topics,
    republisher: Republisher,
    tell: Callable[[], Awaitable[None]],
    crash: Callable[[BaseException], Any],
) -> None:
    """The agent and the timers, as Faust runs them."""

    def forget(message: Any) -> None:
        message.acked = True
        app.consumer._unacked_messages.discard(message)

    app.agent(raw_topic(app, raw), name="features")(
        agent_of(engine.add, lambda: int(app.consumer_generation_id), forget, crash)
    )

    @app.task
    async def flush_timer() -> None:
        await engine.run(lambda: bool(app.should_stop))

    @app.task
    async def requests() -> None:
        while not app.should_stop:
            await app.sleep(REQUESTS)
            with suppress(UnavailableError):  # whoever asks finds out as well
                await tell()
                await republisher.look(list(engine.tasks.values()))

    @app.task
    async def histories() -> None:  # apart from housekeeping: what is restored may be large
        while not app.should_stop:
            await app.sleep(HOUSEKEEPING)
            try:
                await engine.take_up()
            except UnavailableError as exc:
                log.warning("waiting: %s", exc)
            except HeadraceError as exc:
                await crash(exc)

    @app.task
    async def housekeeping() -> None:
        while not app.should_stop:
            await app.sleep(HOUSEKEEPING)
            try:
                await engine.watch_log(topics)
                await drop_counted(engine.tasks.values(), topics)
                await engine.watch_online()
                if engine.idle:  # what a backlog took is not needed now
                    await asyncio.to_thread(trim)
            except UnavailableError as exc:
                log.warning("waiting: %s", exc)
            except HeadraceError as exc:
                await crash(exc)


def declare(
    sources: tuple[SourceStage, ...], topics: Topics, settings: Settings, name: str
) -> Mapping[str, TopicInfo]:
    """Check that source topics exist, make ours, and return what is known of all."""
    fed = {t for s in sources if isinstance(s.source, UpdateSource) for t in s.source.topics}
    names = [t for s in sources for t in s.source.topics if t not in fed]
    found = topics.describe(names)
    missing = [t for t in names if t not in found]
    if missing:
        raise StateError(
            f"these topics of the sources do not exist: {', '.join(missing)}. "
            "Create them with the partition count you want, or correct `topics=`"
        )
    wanted: dict[str, tuple[int, Mapping[str, str]]] = {dead_letter_topic(name): (1, KEPT)}
    partitions = {t: found[t].partitions for t in names}
    for stage in sources:  # a view's updates are known before the stage that reads them
        counts = {t: partitions[t] for t in stage.source.topics}
        for view in stage.views:
            count = counts[stage.source.topics[0]]
            if view.repartition is not None:
                count = settings.engine.partitions or max(counts.values())
                wanted[view.repartition] = (count, KEPT)
                wanted.update({view.sent(t): (n, CHANGELOG) for t, n in counts.items()})
            wanted[view.changelog] = (count, CHANGELOG)
            if view.updates is not None:
                if partitions.setdefault(view.updates, count) != count:
                    raise StateError(
                        f"the versions of {view.view.name} publish on one topic and need different partition "
                        "counts of it. Set publish=False on one of them"
                    )
                wanted[view.updates] = (count, KEPT if view.updates in fed else CHANGELOG)
    found |= topics.ensure(wanted)
    topics.keep(sorted(fed))
    return found


def _maker(
    sources: tuple[SourceStage, ...],
    store: StateStore,
    settings: Settings,
    cluster: Cluster,
    known: Mapping[str, TopicInfo],
    name: str,
) -> Callable[[TopicPartition], Task]:
    """How the task of a partition is made."""
    cache = RecordCache(settings.state.cache_mb << 20)
    stages: dict[str, SourceStage | ViewStage] = {t: s for s in sources for t in s.source.topics}
    stages |= {v.repartition: v for s in sources for v in s.shuffled if v.repartition}

    def table(view: ViewStage, label: str, partition: int, changelog: str) -> TablePartition:
        log_to = None if cluster.embedded else changelog
        return TablePartition(store, cache, label, partition, log_to, view.plan.fingerprint)

    def producer(tp: TopicPartition) -> TaskProducer:
        if cluster.embedded:
            return PlainProducer(cluster.aiokafka())
        return TransactionalProducer(cluster.aiokafka(), f"headrace.{name}.{tp.topic}.{tp.partition}")

    def make(tp: TopicPartition) -> Task:
        stage = stages[tp.topic]
        if isinstance(stage, SourceStage):
            tables = {v.id: table(v, v.id, tp.partition, v.changelog) for v in stage.local}
            senders = {
                v.id: table(v, f"{v.id} from {tp.topic}", tp.partition, v.sent(tp.topic))
                for v in stage.shuffled
            }
        else:
            tables = {stage.id: table(stage, stage.id, tp.partition, stage.changelog)}
            senders = {}
        info = known.get(tp.topic)
        topic_id = cluster.cluster_id if cluster.embedded else info.topic_id if info else None
        partitions = info.partitions if info else None
        return Task(tp, stage, tables, senders, producer(tp), topic_id=topic_id, partitions=partitions)

    return make
