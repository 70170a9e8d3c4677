"""Joins declarations to plans: every view is compiled when it is declared, so that its mistakes show at once.

Owns the judging of views and of on-demand expressions by `headrace.plan`. Refuses to plan what depends on
something broken: a cascade teaches nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from headrace import plan
from headrace.declaring import Mistakes
from headrace.definitions.feature_view import FeatureView, when_declared
from headrace.definitions.transform import Function, known_functions
from headrace.errors import DefinitionError


def check_view(
    view: FeatureView, mistakes: Mistakes, functions: Mapping[str, Function] | None = None
) -> None:
    """Plan `view` and add what is wrong with it, each mistake at its own line where that is known."""
    sound = soundly(view)
    if sound is None:
        return
    known = known_functions() if functions is None else functions
    try:
        planner = getattr(plan, "plan_view", None)
        if planner is not None:
            planner(sound, functions=known)
    except DefinitionError as error:
        for one in getattr(error, "errors", (error,)):
            one.definition = None
            mistakes.take(one, place=_place(view, one.field))


def soundly(view: FeatureView) -> FeatureView | None:
    """The view without its broken features; None if what is broken is not confined to features and labels."""
    if view.entity is None or view.entity.broken or view.source is None or view.source.broken:
        return None
    spoilt = {str(m.field or "") for m in view.mistakes}
    if any(f.split(".")[0] in _VITAL for f in spoilt):
        return None
    dropped = {f.removeprefix("features.") for f in spoilt if f.startswith("features.")}
    kept = {k: v for k, v in view.features.items() if k not in dropped}
    if not kept:
        return None
    sound = copy.copy(view)
    object.__setattr__(sound, "features", kept)
    return sound


_VITAL = frozenset({"entity", "source", "where", "columns", "transform", "granularity", "features_"})


def _place(view: FeatureView, field: str | None):  # type: ignore[no-untyped-def]
    name = (field or "").removeprefix("features.")
    aggregate = view.features.get(name)
    return aggregate.place if aggregate is not None and aggregate.place.file else view.place


when_declared(check_view)
