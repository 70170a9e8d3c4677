"""Which version a bare name means in a training set: the one that answers the name online.

So that a model learns from what it will be served. A training set that is repeated keeps the versions that it had.
Refuses to know where promotions are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.definitions import FeatureView
from headrace.errors import UnavailableError
from headrace.offline.wanted import Features
from headrace.project import Project


def settled(
    features: Features,
    project: Project,
    served: Callable[[str], FeatureView],
    told: Mapping[str, Any] | None = None,
) -> Features:
    """The features, with ``view@version`` in place of each bare name of a view that has several versions.

    `served` is asked for these alone; `told` is the metadata of a training set that is repeated. UnavailableError if
    `served` cannot tell.
    """
    if isinstance(features, str):
        return _settled(features, project, served, told or {})
    if isinstance(features, Sequence):
        return [_settled(f, project, served, told or {}) if isinstance(f, str) else f for f in features]
    return features


def _settled(
    text: str, project: Project, served: Callable[[str], FeatureView], told: Mapping[str, Any]
) -> str:
    name, colon, feature = text.partition(":")
    name = name.strip()
    versions = [] if name in project.on_demand else project.views.versions(name)
    if len(versions) < 2:
        return text
    had = [v.id for v in versions if v.id in told.get("views", ())]
    return (had[0] if len(had) == 1 else _ask(name, served, versions)) + colon + feature


def _ask(name: str, served: Callable[[str], FeatureView], versions: Sequence[FeatureView]) -> str:
    try:
        return served(name).id
    except UnavailableError as exc:
        known = ", ".join(v.id for v in versions)
        raise UnavailableError(
            f"{exc}. `{name}` is the version that was promoted, which Redis knows: name one of {known}"
        ) from exc
