"""Which version of a view a bare name is answered by: the one that was promoted, and until then never a shadow.

A version that begins with history (`backfill=`) is a shadow until it is promoted: it is there under ``name@version``
alone. Refuses to know where promotions are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.definitions import FeatureView
from headrace.project import Project


def serving(project: Project, name: str, promoted: Mapping[str, str]) -> FeatureView:
    """The version that serves ``name``; `promoted` is the label of each view that was promoted.

    Without a promotion, or where that version is declared no more: the newest that is no shadow, and where all begin
    with history, the oldest. UsageError, with the nearest name, if there is no such view.
    """
    versions = project.views.versions(name)
    if len(versions) < 2:
        return project.view(name)
    for view in versions:
        if view.version == promoted.get(name):
            return view
    settled = [view for view in versions if view.backfill is None]
    return settled[-1] if settled else versions[0]


def shadows(project: Project, name: str, promoted: Mapping[str, str]) -> list[FeatureView]:
    """The versions that are newer than the one that serves, oldest first."""
    versions = project.views.versions(name)
    return versions[versions.index(serving(project, name, promoted)) + 1 :]
