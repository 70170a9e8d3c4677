"""How versions and refreshes stand: which shadows wait behind a bare name and for what, and how fresh batch views are.

Looks at promotions, workers' reports and job records; changes nothing.
"""

from __future__ import annotations

from typing import Any

from app.promoting import incomplete
from headrace.definitions import BatchSource
from headrace.durations import format_instant
from headrace.errors import HeadraceError
from headrace.offline.jobs import folder_of
from headrace.offline.submitting import refreshes
from headrace.online.promotions import Promotions
from headrace.project import Project
from headrace.serving import serving, shadows
from headrace.settings import Settings

LATE = 2
"""A view is late when its last refresh began more than so many times its ``refresh=`` ago."""


def shadows_of(project: Project, settings: Settings, now: int) -> list[dict[str, Any]]:
    """``[{"view", "serving", "waits_for"}]``: each version that waits to be promoted, the one that serves its name, and
    why it is not complete (None: it could be promoted now). Nothing while Redis does not answer."""
    try:
        promoted: dict[str, str] = {}
        if not settings.redis.embedded:
            with Promotions(settings.redis.url, settings.project) as promotions:
                promoted = promotions.all()
        return [
            {
                "view": view.id,
                "serving": serving(project, name, promoted).id,
                "waits_for": _reason(project, settings, view.id, now),
            }
            for name in sorted({v.name for v in project.views.values()})
            for view in shadows(project, name, promoted)
            if view.online
        ]
    except HeadraceError:  # what is wrong with Redis, its own part says
        return []


def _reason(project: Project, settings: Settings, view: str, now: int) -> str | None:
    if settings.redis.embedded:
        return None
    try:
        return incomplete(project, settings, project.view(view), now)
    except HeadraceError as error:
        return str(error)


def refreshes_of(project: Project, settings: Settings, now: int) -> list[dict[str, Any]]:
    """``[{"view", "as_of", "newest_event", "seconds_ago", "target_seconds", "late", "state", "mode", "error"}]``.

    A row for each view on files: of its last refresh that ended well, and how the newest one stands (`state`, `error`).

    `as_of`: the instant of the values; `newest_event`: of the newest event in them; `seconds_ago`: since it began.
    """
    told = []
    for view in project.views.values():
        if not isinstance(view.source, BatchSource):
            continue
        known = refreshes(folder_of(settings), project.plan(view))
        done = [r for r in known if r.state == "done"]
        last = done[-1] if done else None
        ago = None if last is None else now - int(last.arguments["begun"])
        newest = None if last is None else last.result.get("newest_event")
        told.append(
            {
                "view": view.id,
                "as_of": None if last is None else format_instant(int(last.arguments["at"])),
                "newest_event": None if newest is None else format_instant(newest),
                "seconds_ago": None if ago is None else round(ago / 1e6, 1),
                "target_seconds": None if view.refresh is None else view.refresh / 1e6,
                "late": is_late(view.refresh, ago),
                "state": known[-1].state if known else None,
                "mode": None if last is None else last.result.get("mode"),
                "error": known[-1].error if known else None,
            }
        )
    return told


def is_late(refresh: int | None, ago: int | None) -> bool:
    """Whether a view is behind its target: both in microseconds; `ago` is None before the first refresh."""
    return refresh is not None and ago is not None and ago > LATE * refresh
