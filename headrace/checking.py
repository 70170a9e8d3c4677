"""Joins declarations to plans: every view is compiled when it is declared, so that its mistakes show at once.

Owns the judging of views and of on-demand expressions by `headrace.plan`. Refuses to plan what depends on
something broken: a cascade teaches nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from headrace.declaring import Mistakes
from headrace.definitions.feature_view import FeatureView, when_declared
from headrace.definitions.functions import Function
from headrace.definitions.on_demand import OnDemandView
from headrace.errors import DefinitionError, ExpressionError, Place
from headrace.expressions import compile_expression
from headrace.plan import ViewPlan, plan_view
from headrace.types import DataType


def check_view(view: FeatureView, mistakes: Mistakes) -> ViewPlan | None:
    """Plan `view` and add what is wrong with it, each mistake at its own line where that is known.

    None where something is broken. A view with a broken feature is planned without it, so that what is wrong
    with the others is told too.
    """
    sound = without_broken_features(view)
    if sound is None:
        return None
    try:
        plan = plan_view(sound, functions=sound.functions)
    except DefinitionError as error:
        for one in without_cascades(view, getattr(error, "errors", (error,))):
            one.definition = None
            one.place = place_of_field(view, one.field)
            mistakes.take(one)
        return None
    return None if view.broken else plan


def without_cascades(view: FeatureView, errors: Sequence[DefinitionError]) -> list[DefinitionError]:
    """The mistakes of a plan without those that only miss a column which is itself refused."""
    refused = {(e.field or "").removeprefix("columns.").lower() for e in errors}
    later = {name.lower(): name for name in view.columns}
    kept = []
    for error in errors:
        missing = ""
        if isinstance(error, ExpressionError) and error.reason == "unknown_column":
            missing = error.message.rpartition("`")[0].rpartition("`")[2].lower()
        if missing in refused and missing in later:
            continue
        if missing in later and (error.field or "").startswith("columns."):
            error.hint = f"`{later[missing]}` is computed later: write it first."
        kept.append(error)
    return kept


def without_broken_features(view: FeatureView) -> FeatureView | None:
    """The view without its broken features; None where what is broken touches every feature."""
    if view.entity is None or view.entity.broken or view.source is None or view.source.broken:
        return None
    spoilt = {m.field or "" for m in view.mistakes}
    if any(field.split(".")[0] in _VITAL for field in spoilt):
        return None
    kept = {k: v for k, v in view.features.items() if f"features.{k}" not in spoilt}
    if not kept:
        return None
    sound = copy.copy(view)
    object.__setattr__(sound, "features", kept)
    return sound


_VITAL = frozenset({"entity", "source", "where", "columns", "transform", "granularity"})


def place_of_field(view: FeatureView, field: str | None) -> Place:
    """Where a view's field stands: an aggregate knows its own line, everything else is where the view is."""
    aggregate = view.features.get((field or "").removeprefix("features."))
    return aggregate.place if aggregate is not None and aggregate.place.file else view.place


def check_on_demand(
    view: OnDemandView,
    feature_types: Mapping[str, Mapping[str, DataType]],
    functions: Mapping[str, Function],
    mistakes: Mistakes,
) -> None:
    """Compile an on-demand view's expressions; `feature_types` are those of its views, by id."""
    schema: dict[str, DataType] = {}
    for given in view.inputs:
        if isinstance(given, FeatureView):
            if given.id not in feature_types:
                return
            schema |= feature_types[given.id]
            schema |= given.entity.keys
        else:
            schema |= given.columns
    for name, text in view.features.items():
        try:
            compile_expression(text, schema, functions=functions)
        except DefinitionError as error:
            mistakes.take(error, field=f"features.{name}")


when_declared(check_view)
