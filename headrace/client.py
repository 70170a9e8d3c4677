"""`FeatureStore`: a project's features and definitions, in process.

Owns the way from names and keys, as people have them, to the online store, and what an entity reads as that was
never seen. Starts no process; producing events is the service's, which must be beside the library for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from headrace.definitions import FeatureView
from headrace.describing import describe
from headrace.errors import UsageError, did_you_mean
from headrace.loading import Project, load
from headrace.online.keys import python_entity_key
from headrace.online.read import OnlineReader, OnlineRow
from headrace.service import service
from headrace.settings import EMBEDDED, Settings, load_settings
from headrace.types import DataType

if TYPE_CHECKING:
    from headrace.offline.jobs import Job
    from headrace.offline.metadata import TrainingSet
    from headrace.offline.opening import AtVersion, Frames
    from headrace.offline.training import Known
    from headrace.offline.training import Options as TrainingOptions
    from headrace.offline.verifying import Verified
    from headrace.offline.wanted import Features

Key = object
"""An entity: a mapping of its keys, a tuple or list in key order, or the value alone where it has one key."""


@dataclass(frozen=True)
class OnlineFeatures:
    """One entity's values as they are read now.

    `status` is ``"found"``, or ``"missing"`` for an entity that is not in the store: its values are then those
    over no events. Instants are microseconds: of the newest event applied, of the values, of the write.
    """

    entity: Mapping[str, object]
    values: Mapping[str, object]
    status: Literal["found", "missing"]
    event_time: int | None = None
    as_of: int | None = None
    written_at: int | None = None


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
        return load(self.config)

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
        return [_with_keys(row) for row in self.online(view, keys, None, store=store)]

    def online(
        self,
        view: str | FeatureView,
        keys: Sequence[Key],
        features: Sequence[str] | None = None,
        *,
        store: Literal["online", "offline"] = "online",
    ) -> list[OnlineFeatures]:
        """The features of several entities with status and freshness, in the order of `keys`."""
        asked = self._asked(view, keys, features, store)
        rows = self._reader.read(
            self.settings.project, asked.view.name, asked.view.version, asked.texts, asked.types
        )
        return asked.told(rows, self.project)

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
        return [_with_keys(row) for row in await self.aonline(view, keys, None, store=store)]

    async def aonline(
        self,
        view: str | FeatureView,
        keys: Sequence[Key],
        features: Sequence[str] | None = None,
        *,
        store: Literal["online", "offline"] = "online",
    ) -> list[OnlineFeatures]:
        """As `online`, for asyncio."""
        asked = self._asked(view, keys, features, store)
        rows = await self._reader.aread(
            self.settings.project, asked.view.name, asked.view.version, asked.texts, asked.types
        )
        return asked.told(rows, self.project)

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
        options: TrainingOptions | None = None,
    ) -> TrainingSet:
        """The rows of `spine` in their order, its columns as they are, and each feature as of the row's own instant.

        `spine`: a Parquet or CSV file, a Polars, pandas or pyarrow frame, or dicts, with the entities' keys and a
        column `timestamp` (its usual names are found). `features`: ``"view:feature"``, views, services, or a list of
        them. `strict` leaves out events at the very instant; ``known="ingested"`` counts only events whose record
        was there by then. `events` gives frames by source in place of history; `at_version` repeats an earlier
        training set, or reads that version of history. An entity never seen reads as over no events.

        A Polars frame whose `metadata` says what it is made of. UsageError, StateError, UnavailableError.
        """
        from headrace.offline.opening import opening
        from headrace.offline.training import Options, training_set

        given = replace(options or Options(), timestamp=timestamp, strict=strict, known=known)
        opened = opening(self.project, self.settings, events, at_version)
        return training_set(self.project, spine, features, opened, given)

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
    ) -> Job:
        """Write every entity's values at `start`, `start` + `step`, ... and `end` to the view's Delta table.

        The job runs in a thread; the same call takes an unfinished one up where it stands, also after its process was
        killed. UsageError for a range that does not go forward, StateError where there is no history.
        """
        from headrace.offline.submitting import submit_materialize

        if tuple(stores) != ("offline",):
            raise UsageError(f"materialize writes to the offline store: stores=('offline',), not {stores!r}")
        found = self.project.view(view if isinstance(view, str) else view.id)
        return submit_materialize(self.project, self.settings, found, start, end, step)

    def backfill(
        self,
        view: str | FeatureView,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
        limit: int | None = None,
    ) -> Job:
        """Build the view's online state from history and hand it over to the stream where history ends: no event
        twice, none missing, while workers run.

        `start`: the earliest event time, or what the view declares as ``backfill=``; `end`: the stream goes on with
        the first records of that time or later, if history goes further; `limit`: how many entities a second the
        workers write to Redis in the beginning. Workers neither count nor show a view that
        declares ``backfill=`` before this is done. The job runs in a thread; the same call takes an unfinished one up.
        UsageError for a view without online state, StateError for one that began without its history.
        """
        from headrace.offline.submitting import submit_backfill

        found = self.project.view(view if isinstance(view, str) else view.id)
        return submit_backfill(self.project, self.settings, found, start, end, limit)

    def verify(self, view: str | FeatureView, *, sample: int = 1_000, seed: int = 0) -> Verified:
        """What the online store serves of sampled entities, against what history says; see `Verified`.

        UnavailableError, StateError where there is no history, UsageError for a view that is not online.
        """
        from headrace.offline.opening import opening
        from headrace.offline.verifying import verify

        found = self.project.view(view if isinstance(view, str) else view.id)
        plan, settings = self.project.plan(found), self.settings
        _ = self._reader  # says what to do where redis.url is `embedded`
        return verify(
            plan,
            opening(self.project, settings, None, None)(plan.source.source),
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

    def _asked(
        self, view: str | FeatureView, keys: Sequence[Key], features: Sequence[str] | None, store: str
    ) -> _Asked:
        if store != "online":
            raise UsageError(f"no store `{store}` to read from: use store='online'")
        found = self.project.view(view if isinstance(view, str) else view.id)
        if not found.online:
            raise UsageError(f"view `{found.id}` is not online (online=False)")
        types = self.project.plan(found).feature_types
        for name in features or ():
            if name not in types:
                hint = did_you_mean(name, types) or f"Its features are {', '.join(types)}."
                raise UsageError(f"view `{found.id}` has no feature `{name}`. {hint}")
        wanted = types if features is None else {name: types[name] for name in features}
        entities = [entity_of(found, key) for key in keys]
        key_types = list(found.entity.keys.values())
        texts = [python_entity_key(list(e.values()), key_types) for e in entities]
        return _Asked(found, entities, texts, wanted)


@dataclass(frozen=True)
class _Asked:
    """What a read asks for, resolved."""

    view: FeatureView
    entities: list[dict[str, object]]
    texts: list[str]
    types: Mapping[str, DataType]

    def told(self, rows: Sequence[OnlineRow | None], project: Project) -> list[OnlineFeatures]:
        return [
            OnlineFeatures(entity, self._unseen(project), "missing")
            if row is None
            else OnlineFeatures(entity, row.values, "found", row.event_time, row.as_of, row.written_at)
            for entity, row in zip(self.entities, rows, strict=True)
        ]

    def _unseen(self, project: Project) -> dict[str, object]:
        """The values over no events."""
        computed = {f.name: f for f in project.plan(self.view).computed}
        return {name: computed[name].over_no_events().to_list()[0] for name in self.types}


def entity_of(view: FeatureView, key: Key) -> dict[str, object]:
    """The entity's keys by name, in key order. UsageError if they are not the view's."""
    names = list(view.entity.keys)
    if isinstance(key, Mapping):
        if set(key) != set(names):
            told = ", ".join(map(str, key)) or "none"
            raise UsageError(f"the entity `{view.entity.name}` has the keys {', '.join(names)}, got {told}")
        return {name: key[name] for name in names}
    values = list(key) if isinstance(key, tuple | list) else [key]
    if len(values) != len(names):
        raise UsageError(
            f"the entity `{view.entity.name}` has {len(names)} keys ({', '.join(names)}), got {len(values)}"
        )
    return dict(zip(names, values, strict=True))


def _with_keys(row: OnlineFeatures) -> dict[str, object]:
    return {
        **row.entity,
        **row.values,
        "_status": row.status,
        "_event_time": row.event_time,
        "_as_of": row.as_of,
        "_written_at": row.written_at,
    }


__all__ = ["FeatureStore", "OnlineFeatures", "entity_of"]
