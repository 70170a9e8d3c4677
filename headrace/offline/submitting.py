"""What is asked for becomes a job: arguments judged, the job noted in the project's folder, and started.

Refuses to do the work: that is `materializing`'s, and the service's where Kafka is needed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from headrace.definitions import FeatureView
from headrace.durations import parse_duration, parse_instant
from headrace.errors import UsageError
from headrace.history.access import options_of
from headrace.history.storage import view_uri
from headrace.offline.jobs import Job, folder_of
from headrace.offline.materializing import instants, materialize
from headrace.offline.opening import opening, refuse_updates
from headrace.project import Project
from headrace.service import service
from headrace.settings import Settings


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
    plan = project.plan(view)
    try:
        at = instants(parse_instant(start), parse_instant(end), parse_duration(step))
    except ValueError as exc:
        raise UsageError(f"materialize: {exc}") from None
    events = opening(project, settings, None, None, allow_gaps)(plan.source.source)
    uri = view_uri(settings.history.uri, settings.project, view.id)
    folder = folder_of(settings)
    arguments = {"view": view.id, "fingerprint": plan.fingerprint, "at": [at[0], at[-1], len(at)]}
    record = folder.submit("materialize", arguments)
    return Job.start(
        folder, record, lambda job: materialize(plan, events, uri, at, job, options=options_of(settings))
    )


def submit_backfill(
    project: Project,
    settings: Settings,
    view: FeatureView,
    start: str | datetime | None,
    end: str | datetime | None,
    limit: int | None,
    allow_gaps: bool = False,
) -> Job:
    """As `FeatureStore.backfill`."""
    refuse_updates(project.plan(view).source.source)
    try:
        first = None if start is None else parse_instant(start)
        last = None if end is None else parse_instant(end)
    except ValueError as exc:
        raise UsageError(f"backfill: {exc}") from None
    if limit is not None and limit < 1:
        raise UsageError(f"backfill: a limit is a number of entities a second, not {limit}")
    if first is None and view.backfill is None:
        raise UsageError(
            f"backfill: from when? `{view.id}` declares no backfill=, such as backfill='90d': give a start"
        )
    run = service("app.backfilling", "a backfill").backfill
    folder = folder_of(settings)
    arguments = {"view": view.id, "fingerprint": project.plan(view).fingerprint, "at": [first, last]}
    record = folder.submit("backfill", arguments)
    return Job.start(
        folder, record, lambda job: run(project, settings, view.id, first, last, limit, job, allow_gaps)
    )
