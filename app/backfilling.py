"""A view's online state from history, handed over to the stream at exact offsets.

The records that a worker would have at those offsets, the markers that say so and, for a view that is keyed otherwise
than its topic, the markers of what was sent on, are one Kafka transaction: before its commit the view has no state at
all, after it the workers go on. So a job that dies leaves nothing behind, and of two jobs one is fenced.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl
from aiokafka import TopicPartition
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, MemberDescription
from deltalake import DeltaTable

from agents.shuffle import target_of
from agents.stages import ViewStage, stages_of
from app.clock import now_us
from app.failpoints import failpoint
from app.features import declare, group_of
from app.handing_over import at_most, places_of, positions_of
from app.kafka import Cluster, connect
from headrace.definitions import StreamSource
from headrace.errors import PositionError, StateError, UnavailableError, UsageError
from headrace.history.access import options_of
from headrace.history.account import position_name, writer_of
from headrace.history.positions import Place
from headrace.history.storage import named_errors, table_uri
from headrace.offline.jobs import Running
from headrace.offline.rebuilding import Rebuilding, by_hash, earliest, until_of
from headrace.offline.sources import DeltaEvents, Events, FrameEvents, require_since
from headrace.project import Project
from headrace.settings import Settings
from headrace.windows import BEGINNING
from tables.kafka.changelog import ChangelogReader
from tables.kafka.outputs import Batches, Outputs, Records, built, record
from tables.kafka.producer import TransactionalProducer
from tables.kafka.raw import install
from tables.kafka.topics import TopicInfo, Topics
from tables.marker import KEY, Marker, source

log = logging.getLogger("headrace.backfill")

LONGEST_MS = 900_000
"""How long the transaction may take: what a broker allows if it is not told otherwise (transaction.max.timeout.ms)."""

ENTITIES_A_SECOND = 5_000
"""That are written online afterwards, unless asked otherwise: beside a worker's other events, which shall not wait for
them (bench/beside.py)."""

PARTS = ("history", "state", "hand-over")


@dataclass(frozen=True)
class Handover:
    """One view's: where it begins and what of it is whose. `until`: where the stream goes on, by source partition."""

    view: ViewStage
    known: Mapping[str, TopicInfo]
    until: Mapping[Place, int]
    repartition: Mapping[int, int]
    """The start of each partition of the repartition topic; empty for a view that is not shuffled."""
    limit: int = ENTITIES_A_SECOND
    """Entities a second, of all partitions together, that are written online in the beginning."""

    @property
    def partitions(self) -> int:
        """Partitions of the view's state."""
        return self.known[self.view.changelog].partitions

    def markers(self, rebuilt: Rebuilding) -> Outputs:
        """Each table's markers, those of sending included.

        There are two of each: the second ends a flush that has no records, so that who opens the table takes its
        records for long written, and need neither read them again nor write them online in one go.
        """
        fingerprint = self.view.plan.fingerprint
        positions = {source(t, p): offset for (t, p), offset in self.until.items()}
        outputs: dict[TopicPartition, list[Records]] = {}
        for partition in range(self.partitions):
            if self.view.repartition is None:
                ((topic, _),) = {(t, 0) for t, _ in self.until}
                mine = {source(topic, partition): self.until[topic, partition]}
            else:
                topic = self.view.repartition
                mine = {**positions, source(topic, partition): self.repartition[partition]}
            first = Marker(
                fingerprint,
                sequence=1,
                positions=mine,
                clock=rebuilt.clock_of(partition),
                topic_id=self.known[topic].topic_id,
                sweep=True,
                pace=-(-self.limit // self.partitions),
            )
            outputs[TopicPartition(self.view.changelog, partition)] = _twice(first)
        if self.view.repartition is not None:
            for (topic, partition), offset in self.until.items():
                first = Marker(
                    fingerprint,
                    sequence=1,
                    positions={source(topic, partition): offset},
                    clock=rebuilt.clocks.get((topic, partition)),
                    topic_id=self.known[topic].topic_id,
                )
                outputs[TopicPartition(self.view.sent(topic), partition)] = _twice(first)
        return outputs


def _twice(first: Marker) -> list[Records]:
    return [record(KEY, m.encode()) for m in (first, replace(first, sequence=first.sequence + 1))]


def backfill(
    project: Project,
    settings: Settings,
    view_id: str,
    first: int | None,
    end: int | None,
    limit: int | None,
    job: Running,
    allow_gaps: bool = False,
    past: pl.LazyFrame | None = None,
) -> None:
    """Build the view's state of events from `first` (event time, microseconds; None: as the view declares) that are in
    history, or in `past`, and hand it over: the stream goes on where they end, or at the first record of `end` (record
    time). Workers then write its entities online, at most `limit` a second (None: ENTITIES_A_SECOND).

    Returns at once if that was done before. UsageError for a view that has no state to be built, StateError for one
    that began without history or whose history and log leave a gap, PositionError if history has lost events and
    `allow_gaps` does not let it, UnavailableError.
    """
    install()
    step = failpoint(settings.failpoint)
    stage, view = stages_of(project, settings.project, view_id, clock=settings.clock)
    cluster = _cluster(settings)
    topics = Topics(cluster.confluent(), embedded=False)
    known = declare((stage,), topics, settings, settings.project)
    reader = ChangelogReader(cluster.aiokafka())
    declared = view.view.backfill is not None
    job.plan(PARTS)
    if _begun(reader, view, known, declared=declared):
        log.info("%s has its history already", view.id)
        _done(job)
        return
    if not declared:
        _alone(cluster, settings.project, view)
    if first is None:
        first = BEGINNING if past is not None else earliest(view.view.backfill, now_us())
    if past is None:
        events, until = _of_history(settings, stage.source, topics, known, first, end, allow_gaps)
        counted = until
    else:
        events = FrameEvents(stage.source, past)
        until, counted = positions_of(view, stage.source, past, topics, known, end)
    handover = _handover(view, topics, known, until, limit)
    wanted = partial(_wanted, job)
    shuffled = None if view.repartition is None else by_hash(lambda key: target_of(key, handover.partitions))
    with Rebuilding(
        view.plan, settings.clock, counted, first, handover.partitions, shuffled, _folder(settings)
    ) as rebuilt:
        if not rebuilt.read(events, wanted):
            return
        step("after_history")
        log.info("%s: %d events of history before %s", view.id, rebuilt.events, dict(handover.until))
        producer = TransactionalProducer(
            cluster.aiokafka(), f"headrace.{settings.project}.backfill.{view.id}", timeout_ms=LONGEST_MS
        )
        check = None if declared else partial(_alone, cluster, settings.project, view)
        handed = asyncio.run(_hand_over(producer, reader, handover, rebuilt, wanted, check, step, declared))
    step("after_hand_over")
    if handed:
        log.info("%s: handed over to the stream", view.id)
        _done(job)


async def _hand_over(
    producer: TransactionalProducer,
    reader: ChangelogReader,
    handover: Handover,
    rebuilt: Rebuilding,
    wanted: Callable[[], bool],
    check: Callable[[], None] | None,
    step: Callable[[str], None],
    declared: bool,
) -> bool:
    """One transaction, under an id that fences whoever tried before. False if it was cancelled."""
    view = handover.view
    state = rebuilt.state(now_us())

    async def parts() -> AsyncIterator[Batches]:
        while (some := await asyncio.to_thread(lambda: next(state, None))) is not None:
            if not wanted():
                raise _CancelledError
            partition, keys, values = some
            some_of = {TopicPartition(view.changelog, partition): [Records(keys, values)]}
            for batches in await asyncio.to_thread(built, [some_of]):
                yield batches
            step("after_part")
        for batches in built([handover.markers(rebuilt)]):
            yield batches
        if check is not None:
            await asyncio.to_thread(check)
        step("before_commit")

    try:
        await producer.open()  # what another try had under way is over when this returns
        if await reader.begun(view.changelog, range(handover.partitions)):
            if declared:
                return True
            raise _began(view)
        await producer.write_parts(parts())
        return True
    except _CancelledError:
        return False
    finally:
        await producer.close()


class _CancelledError(Exception):
    """The job is to end."""


def _wanted(job: Running) -> bool:
    return job.folder.get(job.record.id).state == "running"


def _done(job: Running) -> None:
    for part in PARTS:
        job.finished(part)


def _cluster(settings: Settings) -> Cluster:
    if not settings.kafka.embedded:
        cluster = connect(settings.kafka)
        if not cluster.embedded:
            return cluster
    raise UsageError(
        "the embedded broker lives in its worker's process and keeps no changelog: backfill on a real Kafka"
    )


def _begun(
    reader: ChangelogReader, view: ViewStage, known: Mapping[str, TopicInfo], *, declared: bool
) -> bool:
    """Whether the view has state: of a backfill, if it declares one, since workers wait for it. StateError if a
    worker has begun without.
    """
    begun = asyncio.run(reader.begun(view.changelog, range(known[view.changelog].partitions)))
    if begun and not declared:
        raise _began(view)
    return begun


def _began(view: ViewStage) -> StateError:
    return StateError(
        f"`{view.id}` has state already: workers count for it since they began. Make a new version of it with "
        "backfill= in its definition, so that workers wait for its history"
    )


def _alone(cluster: Cluster, project: str, view: ViewStage) -> None:
    """No worker runs that could begin to count for the view meanwhile. StateError if one does.

    A static member that has ended is a member until its session is over: so those are given that long to go.
    """
    group = group_of(project)
    admin = AdminClient({**cluster.confluent(), "socket.timeout.ms": 10_000})
    until = time.monotonic() + cluster.session_timeout + 2
    while members := _members(admin, group):
        if time.monotonic() > until or any(m.group_instance_id is None for m in members):
            raise StateError(
                f"`{view.id}` declares no backfill=, so that the {len(members)} workers that run do not wait for it. "
                f"Declare it, such as backfill='90d', or stop the workers until the backfill is done"
            )
        time.sleep(0.5)


def _members(admin: AdminClient, group: str) -> list[MemberDescription]:
    try:
        found: list[MemberDescription] = (
            admin.describe_consumer_groups([group], request_timeout=10)[group].result().members
        )
    except KafkaException as exc:
        raise UnavailableError(f"Kafka does not tell who is in group {group}: {exc.args[0].str()}") from exc
    return found


def _of_history(
    settings: Settings,
    stream: StreamSource,
    topics: Topics,
    known: Mapping[str, TopicInfo],
    first: int,
    end: int | None,
    allow_gaps: bool,
) -> tuple[Events, Mapping[Place, int]]:
    """One version of the table's events, and where it ends."""
    name, options = settings.project, options_of(settings)
    uri = table_uri(settings.history.uri, name, stream.name)
    events = DeltaEvents.open(stream, uri, options, project=name, allow_gaps=allow_gaps)
    require_since(events, first, allow_gaps)
    places = places_of(stream, topics, known)
    with named_errors(events.uri):
        table = DeltaTable(events.uri, version=events.version, storage_options=options)
        writer = writer_of(name, stream.name)
        kept = {place: table.transaction_version(position_name(writer, place)) for place in places}
    return events, until_of(places, kept, at_most(places, topics, end), stream.name)


def _handover(
    view: ViewStage,
    topics: Topics,
    known: Mapping[str, TopicInfo],
    until: Mapping[Place, int],
    limit: int | None,
) -> Handover:
    again = {}
    if view.repartition is not None:
        for p in range(known[view.repartition].partitions):
            again[p], last = topics.bounds(view.repartition, p)
            if last > again[p]:
                raise PositionError(
                    f"rows of `{view.id}` are on `{view.repartition}` already: workers counted for it without its "
                    "history. Make a new version of it"
                )
    return Handover(view, known, until, again, limit or ENTITIES_A_SECOND)


def _folder(settings: Settings) -> Path:
    folder = Path(settings.state.dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
