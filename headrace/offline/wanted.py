"""The features that a training set asks for, as callers name them, made into columns of views.

Owns names and their nearest neighbours. Refuses to compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headrace.definitions import (
    FeatureRef,
    FeatureService,
    FeatureView,
    OnDemandRef,
    OnDemandView,
)
from headrace.errors import UsageError, did_you_mean
from headrace.project import Project, missing

Named: TypeAlias = str | FeatureView | FeatureRef | OnDemandView | OnDemandRef | FeatureService
Features: TypeAlias = Named | Sequence[Named]


@dataclass(frozen=True)
class Column:
    """A feature of a view, and the column of the training set that holds it."""

    view: FeatureView | OnDemandView
    feature: str
    name: str


def columns_of(features: Features, project: Project, taken: Iterable[str]) -> list[Column]:
    """The columns asked for, in the order given, each feature once.

    A column has its feature's name, or ``view:feature`` where that is taken (by the spine's columns, `taken`, or
    an earlier feature), or ``view@version:feature``. UsageError, with the nearest name, for what is not there.
    """
    given: Sequence[Any] = (
        [features] if isinstance(features, str) or not isinstance(features, Sequence) else features
    )
    if not given:
        raise UsageError(
            "no features are asked for: name some, such as 'customer_spend:spend_48h', or a service"
        )
    used, out, met = set(taken), [], set()
    for item in given:
        for view, feature in _pairs(item, project):
            if (id(view), feature) in met:
                continue
            met.add((id(view), feature))
            label = view.id if isinstance(view, FeatureView) else view.name
            names = (feature, f"{view.name}:{feature}", f"{label}:{feature}")
            name = next((n for n in names if n not in used), None)
            if name is None:
                raise UsageError(f"the spine has a column `{names[-1]}` already: rename it")
            used.add(name)
            out.append(Column(view, feature, name))
    return out


def _pairs(item: Any, project: Project) -> list[tuple[FeatureView | OnDemandView, str]]:
    if isinstance(item, FeatureService):
        return [(_known(ref.view, project), ref.feature) for ref in item.refs]
    if isinstance(item, FeatureRef | OnDemandRef):
        return [(_known(item.view, project), item.feature)]
    if isinstance(item, FeatureView | OnDemandView):
        return [(_known(item, project), f) for f in item.features]
    if not isinstance(item, str):
        raise UsageError(f"a feature is named 'view:feature', not {item!r}")
    name, colon, feature = item.partition(":")
    view = _view(name.strip(), project, service=not colon)
    if isinstance(view, FeatureService):
        return _pairs(view, project)
    if not colon:
        return [(view, f) for f in view.features]
    feature = feature.strip()
    if feature not in view.features:
        hint = did_you_mean(feature, view.features) or f"Its features are {', '.join(view.features)}."
        raise UsageError(f"view `{view.name}` has no feature `{feature}`. {hint}")
    return [(view, feature)]


def _view(name: str, project: Project, *, service: bool) -> FeatureView | OnDemandView | FeatureService:
    if name in project.on_demand:
        return project.on_demand[name]
    if service and name in project.services and name not in project.views:
        return project.services[name]
    if "@" in name or name in project.views:
        return project.view(name)
    every: Mapping[str, object] = {
        **project.views,
        **project.on_demand,
        **(project.services if service else {}),
    }
    raise missing("view", name, every)


def _known(view: FeatureView | OnDemandView, project: Project) -> FeatureView | OnDemandView:
    """The project's own view of that name: definitions are the same, objects may not be."""
    if isinstance(view, OnDemandView):
        return project.on_demand.get(view.name, view)
    return project.view(view.id)
