"""Definitions as plain values, for JSON and for people: what `plan`, `show` and the REST catalogue say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headrace.aggregates.declare import UNSET, Aggregate
from headrace.definitions import (
    BatchSource,
    Entity,
    FeatureRef,
    FeatureService,
    FeatureView,
    OnDemandView,
    RequestSource,
    StreamSource,
)
from headrace.definitions.feature_view import chain_of
from headrace.definitions.schema import Subject
from headrace.durations import format_duration, format_instant
from headrace.plan import ViewPlan
from headrace.types import DataType


def describe(definition: object, plan: ViewPlan | None = None) -> dict[str, Any]:
    """Any definition as JSON can say it; a view with its `plan` has types, steps and whether it is shuffled."""
    if isinstance(definition, Entity):
        told: dict[str, Any] = {"name": definition.name, "keys": _types(definition.keys)}
    elif isinstance(definition, StreamSource):
        told = _stream(definition)
    elif isinstance(definition, BatchSource):
        told = {
            "name": definition.name,
            "kind": "batch",
            "path": definition.path,
            "timestamp": definition.timestamp,
            "columns": _types(definition.columns),
        }
    elif isinstance(definition, FeatureView):
        told = _view(definition, plan)
    elif isinstance(definition, OnDemandView):
        told = {
            "name": definition.name,
            "kind": "on demand",
            "inputs": [
                {"request": _types(i.columns)} if isinstance(i, RequestSource) else {"view": i.id}
                for i in definition.inputs
            ],
            "features": dict(definition.features),
        }
    elif isinstance(definition, FeatureService):
        told = {
            "name": definition.name,
            "features": [
                {"view": r.view.id if isinstance(r, FeatureRef) else r.view.name, "feature": r.feature}
                for r in definition.refs
            ],
        }
    else:
        raise TypeError(f"not a definition: {definition!r}")
    for word in ("description", "owner", "tags"):
        if value := getattr(definition, word):
            told[word] = dict(value) if isinstance(value, Mapping) else value
    place = str(definition.place)
    return {**told, **({"place": place} if place else {})}


def _types(columns: Mapping[str, DataType]) -> dict[str, str]:
    return {name: str(t) for name, t in columns.items()}


def _duration(us: int | None) -> str | None:
    return None if us is None else format_duration(us)


def _stream(source: StreamSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "kind": "stream",
        "topics": list(source.topics),
        "format": source.format,
        "framing": source.framing,
        "schema": f"subject {source.schema}" if isinstance(source.schema, Subject) else None,
        "key": source.key,
        "timestamp": source.timestamp,
        "lateness": format_duration(source.lateness),
        "max_ahead": _duration(source.max_ahead),
        "event_id": source.event_id,
        "dedup": _duration(source.dedup),
        "start": format_instant(source.start) if isinstance(source.start, int) else source.start,
        "retention": _duration(source.retention),
        "columns": {
            name: f"{t}, may be null" if name in source.nullable else str(t)
            for name, t in source.columns.items()
        },
    }


def _view(view: FeatureView, plan: ViewPlan | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": view.name,
        "version": view.version,
        "entity": view.entity.name,
        "keys": _types(view.entity.keys),
        "source": view.source.id if isinstance(view.source, FeatureView) else view.source.name,
        "topics": list(getattr(view.source, "topics", ())),
        "where": view.where,
        "columns": dict(view.columns),
        "transform": view.transform.name if view.transform else None,
        "granularity": _duration(view.granularity),
        "ttl": _duration(view.ttl),
        "online": view.online,
        "offline": view.offline,
        "publish": view.publish,
    }
    if view.refresh is not None:
        told["refresh"] = _duration(view.refresh)
    if view.materialize is not None:
        told["materialize"] = _duration(view.materialize)
    if chain := chain_of(view):
        told["chain"] = [chain[-1].source.name, *(v.id for v in reversed(chain)), view.id]
    if plan is not None:
        told["shuffled"] = plan.shuffled
        told["fingerprint"] = plan.fingerprint
    told["features"] = {name: _feature(name, a, plan) for name, a in view.features.items()}
    return told


def _feature(name: str, aggregate: Aggregate, plan: ViewPlan | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": str(plan.feature_types[name])} if plan else {}
    told |= {"function": aggregate.function, "value": aggregate.value}
    told |= {"aggregate": str(aggregate)}
    if plan is not None:
        windows = plan.windows[name]
        told["windows"] = [str(replace(w, step=None) if w.kind == "rolling" else w) for w in windows]
        told["steps"] = [_duration(w.step) for w in windows]
    if aggregate.default is not UNSET:
        told["default"] = aggregate.default
    if aggregate.description:
        told["description"] = aggregate.description
    return told
