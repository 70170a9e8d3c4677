"""The fingerprint of a view: it changes when values may change, and does not when words about them do."""

from __future__ import annotations

import hashlib
import inspect
import json

from headrace.aggregates.declare import UNSET, Aggregate
from headrace.definitions import FeatureView
from headrace.windows import Window, step_of


def fingerprint_of(view: FeatureView) -> str:
    """16 hex digits of what the view's values depend on."""
    return hashlib.sha256(json.dumps(meaning_of(view), sort_keys=True).encode()).hexdigest()[:16]


def meaning_of(view: FeatureView) -> dict[str, object]:
    """What the view's values depend on, as JSON can say it."""
    source = view.source
    if isinstance(source, FeatureView):
        return _of_rows(view, source) | {"source": source.id, "columns": {}, "upstream": meaning_of(source)}
    return _of_rows(view, source)


def _of_rows(view: FeatureView, source: object) -> dict[str, object]:
    return {
        "source": getattr(source, "name", None),
        "topics": list(getattr(source, "topics", ())),
        "timestamp": getattr(source, "timestamp", None),
        "lateness": getattr(source, "lateness", 0),
        "max_ahead": getattr(source, "max_ahead", None),
        "dedup": [getattr(source, "event_id", None), getattr(source, "dedup", None)],
        "columns": {k: str(t) for k, t in getattr(source, "columns", {}).items()},
        "entity": [[k, str(t)] for k, t in view.entity.keys.items()],
        "where": _words(view.where),
        "derived": [[k, _words(v)] for k, v in view.columns.items()],
        "transform": _transform(view),
        "ttl": view.ttl,
        "features": {name: _aggregate(a, view.granularity) for name, a in sorted(view.features.items())},
    }


def _aggregate(a: Aggregate, granularity: int | None) -> list[object]:
    return [
        a.function,
        _words(a.expr),
        _words(a.where),
        None if a.over is None else _window(a.over, granularity),
        None if a.default is UNSET else repr(a.default),
        None if a.type is None else str(a.type),
        [[k, repr(v)] for k, v in a.options],
        [_aggregate(p, granularity) for p in a.parts],
    ]


def _window(w: Window, granularity: int | None) -> list[object]:
    return [w.kind, w.size, step_of(w, granularity), w.gap, w.closed, w.offset]


def _words(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())


def _transform(view: FeatureView) -> list[object] | None:
    if view.transform is None:
        return None
    try:
        code = inspect.getsource(view.transform.fn)
    except (OSError, TypeError):
        code = view.transform.name
    adds = [[k, str(t)] for k, t in view.transform.adds.items()]
    return [code, adds, list(view.transform.drops), view.transform.frame]
