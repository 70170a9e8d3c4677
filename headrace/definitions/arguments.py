"""What a feature view is given, argument by argument: the kinds of values, their names, and how each is said right.

Knows no view: what arguments mean together is judged beside the view.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.aggregates.declare import Aggregate, latest
from headrace.declaring import Mistakes
from headrace.definitions import rules
from headrace.definitions.transforms import Transform


def columns_of(columns: object, mistakes: Mistakes) -> dict[str, str]:
    """Row expressions by name; those that are no SQL are left out and said."""
    if not isinstance(columns, Mapping):
        expected = "SQL by name, such as columns={'eur': 'amount * fx_rate'}"
        mistakes.add("columns is not a mapping", field="columns", expected=expected, got=repr(columns))
        return {}
    rules.unique(columns, mistakes, field="columns", what="columns")
    for name, text in columns.items():
        rules.column_name(name, mistakes, field=f"columns.{name}", what="a column's name")
        if isinstance(text, Aggregate):
            mistakes.add(
                "a column is computed from one row",
                field=f"columns.{name}",
                expected="a SQL expression",
                got=str(text),
                hint="Put the aggregate under features.",
            )
        else:
            rules.expression(text, mistakes, field=f"columns.{name}")
    return {k: v for k, v in columns.items() if isinstance(v, str) and v.strip()}


def transform_of(transform: object, mistakes: Mistakes) -> Transform | None:
    """The transform, if it is one."""
    if transform is None:
        return None
    if not isinstance(transform, Transform):
        mistakes.add(
            "transform is of the wrong kind",
            field="transform",
            expected="hr.transform(fn, adds={'is_big': hr.Bool})",
            got=f"the function `{transform.__name__}`" if hasattr(transform, "__name__") else repr(transform),
        )
        return None
    mistakes.inherit(transform.mistakes, field="transform")
    example = "names with types, such as adds={'is_big': hr.Bool}"
    rules.typed_names(transform.adds, mistakes, field="transform.adds", example=example, new=True)
    return transform


def backfill_of(backfill: object, mistakes: Mistakes) -> str | None:
    """How far back history goes, as it was given: a duration or an instant."""
    if backfill is None:
        return None
    if hasattr(backfill, "columns") or hasattr(backfill, "collect_schema"):
        mistakes.add(
            "backfill says how far back history goes",
            field="backfill",
            expected="a duration such as '30d', or an instant such as '2026-01-01T00:00:00Z'",
            got=f"a frame ({type(backfill).__name__})",
            hint="A definition holds no events: give the frame to store.backfill(view, events=frame).",
        )
        return None
    probe = Mistakes(None, mistakes.place)
    rules.duration(backfill, probe, field="backfill")
    if probe.found:
        expected = "a duration such as '30d', or an instant such as '2026-01-01T00:00:00Z'"
        rules.instant(backfill, mistakes, field="backfill", expected=expected)
    return str(backfill)


def features_of(features: object, mistakes: Mistakes) -> dict[str, Aggregate]:
    """Aggregates by name; a text is the latest value of its expression."""
    if not isinstance(features, Mapping) or not features:
        expected = "at least one by name, such as features={'payments_1h': hr.count(over='1h')}"
        mistakes.add("features is a mapping", field="features", expected=expected, got=repr(features))
        return {}
    rules.unique(features, mistakes, field="features", what="features")
    kept = {}
    for name, value in features.items():
        field = f"features.{name}"
        rules.column_name(name, mistakes, field=field, what="a feature's name")
        if isinstance(value, Aggregate):
            mistakes.inherit(value.mistakes, field=field)
            if not value.broken:
                kept[name] = value
        elif isinstance(value, str) and value.strip():
            kept[name] = latest(value)
        else:
            mistakes.add(
                "a feature is an aggregate or a SQL expression",
                field=field,
                expected="such as hr.sum('amount', over='48h'), or 'country' for its latest value",
                got=f"the function `{value.__name__}`" if callable(value) else repr(value),
            )
    return kept
