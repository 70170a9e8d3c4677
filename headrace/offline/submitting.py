"""What is asked for becomes a job: arguments judged, the job noted in the project's folder, and started.

A job's work follows from its record alone (`work_of`), so that any process can take it up. Refuses to do the work: that
is `materializing`'s and `refreshing`'s, and the service's where Kafka is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from headrace.definitions import BatchSource, FeatureView
from headrace.durations import parse_duration, parse_instant
from headrace.errors import StateError, UsageError
from headrace.history.access import options_of
from headrace.history.storage import view_uri
from headrace.offline.jobs import ENDED, Job, JobFolder, Record, Work, folder_of
from headrace.offline.materializing import instants, materialize
from headrace.offline.opening import lazy, opening, refuse_updates
from headrace.offline.refreshing import Offline, Online, instant_of, refresh
from headrace.online.keys import KeySpace
from headrace.plan import ViewPlan
from headrace.project import Project
from headrace.service import service
from headrace.settings import Settings

FRAME = "a frame"
"""What a record says of events that were given as a frame: only the process that has it can do the work."""

KEPT = 20
"""Refreshes of a view that have ended and are still listed."""


def submit_materialize(
    project: Project,
    settings: Settings,
    view: FeatureView,
    start: str | datetime,
    end: str | datetime,
    step: str | timedelta,
    allow_gaps: bool = False,
) -> Job:
    """As `FeatureStore.materialize`."""
    try:
        at = instants(parse_instant(start), parse_instant(end), parse_duration(step))
    except ValueError as exc:
        raise UsageError(f"materialize: {exc}") from None
    arguments = arguments_of(project.plan(view), allow_gaps, at=[at[0], at[-1], len(at)])
    return _started(project, settings, "materialize", arguments)


def submit_backfill(
    project: Project,
    settings: Settings,
    view: FeatureView,
    start: str | datetime | None,
    end: str | datetime | None,
    limit: int | None,
    allow_gaps: bool = False,
    events: Any = None,
) -> Job:
    """As `FeatureStore.backfill`."""
    refuse_updates(project.plan(view).source.source)
    try:
        first = None if start is None else parse_instant(start)
        last = None if end is None else parse_instant(end)
    except ValueError as exc:
        raise UsageError(f"backfill: {exc}") from None
    _require_limit("backfill", limit)
    if first is None and view.backfill is None and events is None:
        raise UsageError(
            f"backfill: from when? `{view.id}` declares no backfill=, such as backfill='90d': give a start"
        )
    told = (
        str(Path(events).resolve()) if isinstance(events, str | Path) else None if events is None else FRAME
    )
    arguments = arguments_of(project.plan(view), allow_gaps, at=[first, last], limit=limit, events=told)
    return _started(project, settings, "backfill", arguments, None if events is None else lazy(events))


def submit_refresh(project: Project, settings: Settings, view: FeatureView, limit: int | None = None) -> Job:
    """As `FeatureStore.refresh`."""
    record = refresh_record(project, settings, view, time.time_ns() // 1000, limit)
    return Job.start(folder_of(settings), record, work_of(project, settings, record))


def refresh_record(
    project: Project, settings: Settings, view: FeatureView, now: int, limit: int | None = None
) -> Record:
    """The refresh of a batch view that has not ended, or else a new one of `now` (microseconds), noted as pending.

    What ended long ago is no longer listed. UsageError for a view that is not on files, StateError where there are
    none.
    """
    plan, folder = project.plan(view), folder_of(settings)
    if not isinstance(view.source, BatchSource):
        raise UsageError(f"`{view.id}` is kept fresh by its stream: a refresh is for views on a batch source")
    _require_limit("refresh", limit)
    known = refreshes(folder, plan)
    for record in known:
        if record.state not in ENDED:
            return record
    opened = partial(opening(project, settings, None, None), plan.source.source)
    at = instant_of(plan, opened, settings.clock, now)
    for record in known[:-KEPT]:
        folder.forget(record.id)
    return folder.submit("refresh", arguments_of(plan, False, at=at, begun=now, limit=limit))


def refreshes(folder: JobFolder, plan: ViewPlan) -> list[Record]:
    """The refreshes of the view as it is defined now, oldest first."""
    mine = [
        r for r in folder.list() if r.kind == "refresh" and r.arguments.get("fingerprint") == plan.fingerprint
    ]
    return sorted(
        (r for r in mine if r.arguments["view"] == plan.id), key=lambda r: int(r.arguments["begun"])
    )


def work_of(
    project: Project, settings: Settings, record: Record, sleep: Callable[[float], None] = time.sleep
) -> Work:
    """The work of a job. StateError if the view was defined otherwise when the job was submitted, or has no history."""
    return _work(project, settings, record.kind, record.arguments, sleep)


def _started(
    project: Project,
    settings: Settings,
    kind: str,
    arguments: Mapping[str, Any],
    events: pl.LazyFrame | None = None,
) -> Job:
    work, folder = _work(project, settings, kind, arguments, time.sleep, events), folder_of(settings)
    return Job.start(folder, folder.submit(kind, arguments), work)


def _work(
    project: Project,
    settings: Settings,
    kind: str,
    given: Mapping[str, Any],
    sleep: Callable[[float], None],
    frame: pl.LazyFrame | None = None,
) -> Work:
    plan = project.plan(given["view"])
    if plan.fingerprint != given["fingerprint"]:
        raise StateError(f"`{plan.id}` was defined otherwise when this {kind} was asked for: ask again")
    limit, allow_gaps = given.get("limit"), bool(given.get("allow_gaps"))
    if kind == "backfill":
        run = service("app.backfilling", "a backfill").backfill
        first, last = given["at"]
        told = given.get("events")
        if told == FRAME and frame is None:
            raise StateError(
                f"the backfill of `{plan.id}` was given {FRAME}, which went with its process: ask again"
            )
        past = lazy(told) if frame is None and told is not None else frame
        return lambda job: run(project, settings, plan.id, first, last, limit, job, allow_gaps, past)
    opened = partial(opening(project, settings, None, None, allow_gaps), plan.source.source)
    uri, options = view_uri(settings.history.uri, settings.project, plan.id), options_of(settings)
    if kind == "materialize":
        first, last, count = given["at"]
        at = list(range(first, last + 1, (last - first) // (count - 1))) if count > 1 else [first]
        events = opened()
        return lambda job: materialize(plan, events, uri, at, job, options=options)
    offline = Offline(uri, options) if plan.view.offline else None
    online = _online(plan, settings, limit, sleep) if plan.view.online else None
    return lambda job: refresh(plan, opened(), given["at"], job, offline=offline, online=online)


def _online(plan: ViewPlan, settings: Settings, limit: int | None, sleep: Callable[[float], None]) -> Online:
    if settings.redis.embedded:
        raise UsageError(
            "redis.url is `embedded`: that store lives inside the process that started it, so nobody else can write "
            f"`{plan.id}` there. Set redis.url in headrace.toml, or online=False"
        )
    space = KeySpace(settings.project, plan.view.name, plan.view.version, settings.redis.hash_tag)
    return Online(settings.redis.url, space, lambda: time.time_ns() // 1000, sleep, limit)


def arguments_of(plan: ViewPlan, allow_gaps: bool, **more: object) -> dict[str, Any]:
    """A record's arguments: the view as it is defined now, and what is given."""
    told = {"view": plan.id, "fingerprint": plan.fingerprint, **more}
    return {n: v for n, v in (told | {"allow_gaps": allow_gaps or None}).items() if v is not None}


def _require_limit(what: str, limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise UsageError(f"{what}: a limit is a number of entities a second, not {limit}")
