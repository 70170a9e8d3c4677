"""A view's values at each step of its ``materialize=``, as they come due: which instants are next, as a job.

Instants stand on the Unix epoch's grid, whenever a process was started. What is done is what the records of the
project's folder say. Refuses to say how far history reaches: the service knows.
"""

from __future__ import annotations

from headrace.definitions import FeatureView
from headrace.offline.jobs import ENDED, JobFolder, Record, folder_of
from headrace.offline.submitting import KEPT, arguments_of
from headrace.plan import ViewPlan
from headrace.project import Project
from headrace.settings import Settings

MOST = 500
"""Instants of one job: what was missed for longer is caught up by several."""


def next_record(project: Project, settings: Settings, view: FeatureView, until: int | None) -> Record | None:
    """The job of the instants that are due: after the last one done, up to `until` (microseconds), noted as pending;
    the one that has not ended, if there is one. The first is of the newest instant alone. None if nothing is due; with
    None for `until` nothing is.
    """
    plan, folder = project.plan(view), folder_of(settings)
    assert view.materialize is not None
    known = scheduled(folder, plan)
    for record in known:
        if record.state not in ENDED:
            return record
    if until is None:
        return None
    first, newest = due(known, view.materialize, until)
    if first > newest:
        return None
    for record in known[:-KEPT]:
        folder.forget(record.id)
    last = min(newest, first + (MOST - 1) * view.materialize)
    count = (last - first) // view.materialize + 1
    at = [first, last, count]
    return folder.submit("materialize", arguments_of(plan, False, at=at, every=view.materialize))


def due(known: list[Record], step: int, until: int) -> tuple[int, int]:
    """The first and the last instant that are due of these records; the first is later where none is."""
    newest = until // step * step
    last = reached(known)
    return (newest if last is None else last + step), newest


def reached(known: list[Record]) -> int | None:
    """The newest instant that was materialised on schedule."""
    return max((int(r.arguments["at"][1]) for r in known if r.state == "done"), default=None)


def scheduled(folder: JobFolder, plan: ViewPlan) -> list[Record]:
    """The view's jobs of this kind, as it is defined now and with the step that it has now, by their instants."""
    mine = [
        r
        for r in folder.list()
        if r.kind == "materialize"
        and r.arguments.get("every") == plan.view.materialize
        and (r.arguments["view"], r.arguments["fingerprint"]) == (plan.id, plan.fingerprint)
    ]
    return sorted(mine, key=lambda r: int(r.arguments["at"][0]))
