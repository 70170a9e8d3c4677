"""Promotion: which version of a view a bare name is answered by, switched once the new one is complete.

Complete is what the workers say of themselves: every partition of the view open, its history taken up, every entity of
it online. Owns that judgement and the switch; the old version goes on as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.clock import now_us
from app.republishing import places_of
from headrace.definitions import BatchSource, FeatureView
from headrace.errors import StateError, UsageError
from headrace.offline.jobs import folder_of
from headrace.offline.submitting import refreshes
from headrace.online.promotions import Promotions
from headrace.online.reports import Reports
from headrace.project import Project
from headrace.serving import serving
from headrace.settings import Settings

SILENT = 30_000_000
"""Microseconds after which a worker's report is no longer believed."""


def promote(
    project: Project,
    settings: Settings,
    view: FeatureView,
    *,
    force: bool = False,
    now: Callable[[], int] = now_us,
) -> dict[str, Any]:
    """As `FeatureStore.promote`."""
    if settings.redis.embedded:
        raise UsageError("redis.url is `embedded`: that server lives inside the process that started it")
    if not view.online:
        raise UsageError(f"view `{view.id}` is not online (online=False): there is nothing to serve")
    why = None if force else incomplete(project, settings, view, now())
    if why is not None:
        raise StateError(f"`{view.id}` is a shadow still: {why}. --force promotes it all the same")
    with Promotions(settings.redis.url, settings.project) as promotions:
        before = serving(project, view.name, promotions.all())
        promotions.promote(view.name, view.version)
    return {"view": view.name, "version": view.version, "before": before.version}


def incomplete(project: Project, settings: Settings, view: FeatureView, now: int) -> str | None:
    """Why a version is not complete; None if it is, or begins without history and so has nothing to wait for."""
    if isinstance(view.source, BatchSource):
        done = [r for r in refreshes(folder_of(settings), project.plan(view)) if r.state == "done"]
        return None if done else "it was never refreshed (`headrace jobs`)"
    if view.backfill is None or settings.kafka.embedded:
        return None
    places = places_of(project, settings, view)
    with Reports(settings.redis.url, settings.project) as reports:
        said = [r for r in reports.all() if now - r["at"] <= SILENT]
    if any(view.id in r.get("waiting", ()) for r in said):
        return f"it waits for its history (`headrace backfill {view.id}`)"
    if any(view.id in r.get("sweeping", ()) for r in said):
        return "its entities are still being written online"
    opened = {name for r in said if view.id in r.get("views", ()) for name in r["open"]}
    missing = [p for p in places if _task(p) not in opened]
    return f"no worker that knows it has opened {', '.join(missing)}" if missing else None


def _task(place: str) -> str:
    """A partition as workers name their tasks."""
    topic, _, partition = place.rpartition(":")
    return f"{topic}[{partition}]"
