"""`FeatureStore`: a project's features and definitions, in process.

Owns which of the library's parts serves which call. Starts no process; producing events is the service's, which must
be beside the library for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeGuard

from headrace.asking import Asked, Key, OnlineFeatures, asked, entity_of, with_keys
from headrace.definitions import FeatureView
from headrace.describing import describe
from headrace.errors import UsageError
from headrace.loading import Project, load, registry_of
from headrace.online.read import OnlineReader
from headrace.service import service
from headrace.serving import serving
from headrace.settings import EMBEDDED, Settings, load_settings

if TYPE_CHECKING:
    from headrace.offline.jobs import Job
    from headrace.offline.metadata import TrainingSet
    from headrace.offline.opening import AtVersion, Frames
    from headrace.offline.training import Known
    from headrace.offline.training import Options as TrainingOptions
    from headrace.offline.verifying import Verified
    from headrace.offline.wanted import Features


class FeatureStore:
    """The features of a config folder. Definitions and settings are read when they are first needed.

    Every method that reads has an async twin with the prefix `a`. UsageError for a name or key that is not
    there, UnavailableError if the online store does not answer.
    """

    def __init__(self, config: str | Path = "config", *, settings: Settings | None = None) -> None:
        self.config = Path(config)
        self._settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if "_reader" in self.__dict__:
            self._reader.close()

    async def aclose(self) -> None:
        """Close the connections of the async twins, in the loop that used them."""
        if "_reader" in self.__dict__:
            await self._reader.aclose()

    @cached_property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings or load_settings(self.config)

    @cached_property
    def project(self) -> Project:
        """The definitions."""
        return load(self.config, registry=None if self._settings is None else registry_of(self._settings))

    @cached_property
    def _reader(self) -> OnlineReader:
        url = self.settings.redis.url
        if url == EMBEDDED:
            raise UsageError(
                "redis.url is `embedded`: that store lives inside the process that started it. Set "
                "HEADRACE_REDIS__URL (the demo says which), or redis.url in headrace.toml."
            )
        return OnlineReader(url, hash_tag=self.settings.redis.hash_tag)

    def get_online_features(
        self, view: str | FeatureView, key: Key, features: Sequence[str] | None = None
    ) -> dict[str, object]:
        """One entity's features by name; None for null."""
        return self.multi_get_online_features(view, [key], features)[0]

    def multi_get_online_features(
        self, view: str | FeatureView, keys: Sequence[Key], features: Sequence[str] | None = None
    ) -> list[dict[str, object]]:
        """The features of several entities, in the order of `keys`, in one round trip."""
        return [dict(row.values) for row in self.online(view, keys, features)]

    def read(
        self, view: str | FeatureView, keys: Sequence[Key], store: Literal["online", "offline"] = "online"
    ) -> list[dict[str, object]]:
        """All features of several entities with their keys and ``_status _event_time _as_of _written_at``."""
        return [with_keys(row) for row in self.online(view, keys, None, store=store)]

    def online(
        self,
        view: str | FeatureView,
        keys: Sequence[Key],
        features: Sequence[str] | None = None,
        *,
        store: Literal["online", "offline"] = "online",
    ) -> list[OnlineFeatures]:
        """The features of several entities with status and freshness, in the order of `keys`.

        A bare name is the version that serves it (`served`). The offline store has the values of the newest instant
        that was materialised (by `materialize`, a refresh or `headrace jobs`); a view that never was is computed from
        its history as of now. StateError where there is neither.
        """
        wanted = asked(self.project, self.served(view), keys, features, store)
        if store == "offline":
            return self._offline(wanted)
        rows = self._reader.read(
            self.settings.project, wanted.view.name, wanted.view.version, wanted.texts, wanted.types
        )
        return wanted.told(rows, self.project)

    def _offline(self, wanted: Asked) -> list[OnlineFeatures]:
        from headrace.offline.reading import read_offline

        plan, now = self.project.plan(wanted.view), time.time_ns() // 1000
        return wanted.told(read_offline(self.project, self.settings, plan, wanted.texts, now), self.project)

    def served(self, view: str | FeatureView) -> FeatureView:
        """The version that answers a read of `view`: a bare name's is the promoted one, or, before any promotion, the
        newest that does not begin with history (`backfill=`). UsageError, with the nearest name, if there is none.
        """
        if self._promotable(view):
            return serving(self.project, view, self._promoted())
        return self.project.view(view if isinstance(view, str) else view.id)

    def _promoted(self) -> dict[str, str]:
        """What was promoted: nothing yet where Redis lives inside a process."""
        return {} if self.settings.redis.embedded else self._reader.promoted(self.settings.project)

    def _promotable(self, view: str | FeatureView) -> TypeGuard[str]:
        return isinstance(view, str) and len(self.project.views.versions(view)) > 1

    def promote(self, view: str | FeatureView, *, force: bool = False) -> dict[str, Any]:
        """Let a bare name be answered by this version: ``{"view", "version", "before"}``; `before` served until now.

        StateError, unless `force`, while the version is not complete: its backfill is not done, not every entity of it
        is online, or a batch view was never refreshed.
        """
        found = self.project.view(view if isinstance(view, str) else view.id)
        answer: dict[str, Any] = service("app.promoting", "promote").promote(
            self.project, self.settings, found, force=force
        )
        return answer

    async def aget_online_features(
        self, view: str | FeatureView, key: Key, features: Sequence[str] | None = None
    ) -> dict[str, object]:
        """As `get_online_features`, for asyncio."""
        return (await self.amulti_get_online_features(view, [key], features))[0]

    async def amulti_get_online_features(
        self, view: str | FeatureView, keys: Sequence[Key], features: Sequence[str] | None = None
    ) -> list[dict[str, object]]:
        """As `multi_get_online_features`, for asyncio."""
        return [dict(row.values) for row in await self.aonline(view, keys, features)]

    async def aread(
        self, view: str | FeatureView, keys: Sequence[Key], store: Literal["online", "offline"] = "online"
    ) -> list[dict[str, object]]:
        """As `read`, for asyncio."""
        return [with_keys(row) for row in await self.aonline(view, keys, None, store=store)]

    async def aonline(
        self,
        view: str | FeatureView,
        keys: Sequence[Key],
        features: Sequence[str] | None = None,
        *,
        store: Literal["online", "offline"] = "online",
    ) -> list[OnlineFeatures]:
        """As `online`, for asyncio."""
        if self._promotable(view):
            embedded = self.settings.redis.embedded
            known = {} if embedded else await self._reader.apromoted(self.settings.project)
            view = serving(self.project, view, known)
        wanted = asked(self.project, view, keys, features, store)
        if store == "offline":
            return await asyncio.to_thread(self._offline, wanted)
        rows = await self._reader.aread(
            self.settings.project, wanted.view.name, wanted.view.version, wanted.texts, wanted.types
        )
        return wanted.told(rows, self.project)

    def ingest(
        self, source: str, records: Iterable[Mapping[str, Any]], dry_run: bool = False
    ) -> dict[str, Any]:
        """Validate records and produce the good ones: ``{"accepted", "rejected", "diagnostics"}``.

        Returns when Kafka has them. With `dry_run` nothing is produced. A diagnostic is
        ``{"source", "index", "field", "reason"}``.
        """
        ingesting = service("app.ingesting", "ingest")
        answer: dict[str, Any] = ingesting.ingest(
            self.project, self.settings, source, records, dry_run=dry_run
        )
        return answer

    async def aingest(
        self, source: str, records: Iterable[Mapping[str, Any]], dry_run: bool = False
    ) -> dict[str, Any]:
        """As `ingest`, for asyncio."""
        return await asyncio.to_thread(self.ingest, source, records, dry_run)

    def training_set(
        self,
        spine: Any,
        features: Features,
        *,
        timestamp: str | None = None,
        strict: bool = False,
        known: Known = "happened",
        events: Frames = None,
        at_version: AtVersion = None,
        allow_gaps: bool = False,
        options: TrainingOptions | None = None,
    ) -> TrainingSet:
        """The rows of `spine` in their order, its columns as they are, and each feature as of the row's own instant.

        `spine`: a Parquet or CSV file, a Polars, pandas or pyarrow frame, or dicts, with the entities' keys and a
        column `timestamp` (its usual names are found). `features`: ``"view:feature"``, views, services, or a list of
        them. `strict` leaves out events at the very instant; ``known="ingested"`` counts only events whose record
        was there by then. `events` gives frames by source in place of history; `at_version` repeats an earlier
        training set, or reads that version of history. An entity never seen reads as over no events. A bare name of a
        view with several versions is the one that serves it (`served`).

        A Polars frame whose `metadata` says what it is made of. PositionError names events that history has lost, which
        `allow_gaps` goes on without. UsageError, StateError, UnavailableError.
        """
        from headrace.offline.opening import opening, told_by
        from headrace.offline.training import Options, training_set
        from headrace.offline.versions import settled

        given = replace(options or Options(), timestamp=timestamp, strict=strict, known=known)
        opened = opening(self.project, self.settings, events, at_version, allow_gaps)
        wanted = settled(features, self.project, self.served, told_by(at_version))
        return training_set(self.project, spine, wanted, opened, given)

    async def atraining_set(self, spine: Any, features: Features, **options: Any) -> TrainingSet:
        """As `training_set`, for asyncio."""
        return await asyncio.to_thread(self.training_set, spine, features, **options)

    def materialize(
        self,
        view: str | FeatureView,
        start: str | datetime,
        end: str | datetime,
        step: str | timedelta,
        stores: Sequence[str] = ("offline",),
        *,
        allow_gaps: bool = False,
    ) -> Job:
        """Write every entity's values at `start`, `start` + `step`, ... and `end` to the view's Delta table.

        The job runs in a thread; the same call takes an unfinished one up where it stands, also after its process was
        killed. UsageError for a range that does not go forward, StateError where there is no history.
        """
        from headrace.offline.submitting import submit_materialize

        if tuple(stores) != ("offline",):
            raise UsageError(f"materialize writes to the offline store: stores=('offline',), not {stores!r}")
        found = self.project.view(view if isinstance(view, str) else view.id)
        return submit_materialize(self.project, self.settings, found, start, end, step, allow_gaps)

    def backfill(
        self,
        view: str | FeatureView,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
        limit: int | None = None,
        *,
        events: Any = None,
        allow_gaps: bool = False,
    ) -> Job:
        """Build the view's online state from history and hand it over to the stream where history ends: no event
        twice, none missing, while workers run.

        `start`: the earliest event time, or what the view declares as ``backfill=``; `end`: the stream goes on with
        the first records of that time or later, if history goes further; `limit`: how many entities a second the
        workers write to Redis in the beginning, 5,000 if nothing is said; `events`: a frame, or the path of a Parquet
        file, in place of history, with ``_partition`` and ``_offset`` as history has them, or, for a view that is keyed
        otherwise than its topic, without: then the stream goes on at `end`, or where the source says (``start=``).
        Workers neither count nor show
        a view that declares ``backfill=`` before this is done. The job runs in a thread; the same call takes an
        unfinished one up.
        UsageError for a view without online state, StateError for one that began without its history.
        """
        from headrace.offline.submitting import submit_backfill

        found = self.project.view(view if isinstance(view, str) else view.id)
        return submit_backfill(self.project, self.settings, found, start, end, limit, allow_gaps, events)

    def refresh(self, view: str | FeatureView, limit: int | None = None) -> Job:
        """Compute a view on a batch source from its files now, and write it offline and online, whole.

        `limit`: how many entities a second are written to Redis. The job runs in a thread; an unfinished one is taken
        up. `headrace jobs` does this at the view's ``refresh=`` by itself. UsageError for a view on a stream,
        StateError where there are no files.
        """
        from headrace.offline.submitting import submit_refresh

        found = self.project.view(view if isinstance(view, str) else view.id)
        return submit_refresh(self.project, self.settings, found, limit)

    def verify(self, view: str | FeatureView, *, sample: int = 1_000, seed: int = 0) -> Verified:
        """What the online store serves of sampled entities, against what history says; see `Verified`.

        Events that history itself has lost are named in `gaps`. UnavailableError, StateError where there is no history,
        UsageError for a view that is not online.
        """
        from headrace.offline.opening import opening
        from headrace.offline.verifying import verify

        _ = self._reader  # says what to do where redis.url is `embedded`
        found = self.served(view)
        plan, settings = self.project.plan(found), self.settings
        return verify(
            plan,
            opening(self.project, settings, None, None, allow_gaps=True)(plan.source.source),
            url=settings.redis.url,
            project=settings.project,
            now=settings.clock if isinstance(settings.clock, int) else time.time_ns() // 1000,
            sample=sample,
            seed=seed,
            hash_tag=settings.redis.hash_tag,
            versions=tuple(v.version for v in self.project.views.versions(found.name)),
        )

    async def averify(self, view: str | FeatureView, *, sample: int = 1_000, seed: int = 0) -> Verified:
        """As `verify`, for asyncio."""
        return await asyncio.to_thread(self.verify, view, sample=sample, seed=seed)

    def status(self) -> dict[str, Any]:
        """Whether the parts answer, how far the consumers lag, and how many dead letters there are."""
        answer: dict[str, Any] = service("app.status", "status").status(self.project, self.settings)
        return answer

    async def astatus(self) -> dict[str, Any]:
        """As `status`, for asyncio."""
        return await asyncio.to_thread(self.status)

    def list_entities(self) -> list[dict[str, Any]]:
        """Every entity as plain values."""
        return [describe(e) for e in self.project.entities.values()]

    def list_sources(self) -> list[dict[str, Any]]:
        """Every source as plain values."""
        return [describe(s) for s in self.project.sources.values()]

    def list_views(self) -> list[dict[str, Any]]:
        """Every view, with its types and windows, as plain values; then the on-demand views."""
        views = [describe(v, self.project.plan(v)) for v in self.project.views.values()]
        return views + [describe(v) for v in self.project.on_demand.values()]

    def list_services(self) -> list[dict[str, Any]]:
        """Every service as plain values."""
        return [describe(s) for s in self.project.services.values()]

    def get_entity(self, name: str) -> dict[str, Any]:
        """One entity as plain values."""
        return describe(self.project.entity(name))

    def get_source(self, name: str) -> dict[str, Any]:
        """One source as plain values."""
        return describe(self.project.source(name))

    def get_view(self, name: str) -> dict[str, Any]:
        """One view by ``name`` or ``name@version``, as plain values."""
        if name in self.project.on_demand:
            return describe(self.project.on_demand[name])
        view = self.project.view(name)
        return describe(view, self.project.plan(view))

    def get_service(self, name: str) -> dict[str, Any]:
        """One service as plain values."""
        return describe(self.project.service(name))


__all__ = ["FeatureStore", "OnlineFeatures", "entity_of"]
