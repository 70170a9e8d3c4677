"""Spines and feature names as callers give them, made into one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from headrace.definitions import FeatureRef, FeatureService, FeatureView
from headrace.durations import parse_instant
from headrace.errors import UsageError, did_you_mean
from headrace.plan import ViewPlan


def spine_frame(spine: Any, timestamp: str) -> pl.DataFrame:
    """A spine as a Polars frame whose column `timestamp` is UTC microseconds; without a zone it is taken as UTC."""
    if isinstance(spine, pl.LazyFrame):
        frame = spine.collect()
    elif isinstance(spine, pl.DataFrame):
        frame = spine
    elif isinstance(spine, pa.Table):
        frame = pl.DataFrame(spine)
    elif hasattr(spine, "iloc"):
        frame = pl.from_pandas(spine)
    else:
        frame = pl.DataFrame(list(spine))
    if timestamp not in frame.columns:
        raise UsageError(
            f"the spine has no column `{timestamp}`: expected each row's instant, got {', '.join(frame.columns)}"
        )
    column = frame[timestamp]
    if column.dtype == pl.String:
        column = pl.Series(timestamp, [None if v is None else parse_instant(v) for v in column.to_list()])
    if column.dtype == pl.Datetime:
        zone = getattr(column.dtype, "time_zone", None)
        column = column.dt.convert_time_zone("UTC") if zone else column.dt.replace_time_zone("UTC")
        column = column.dt.cast_time_unit("us")
    return frame.with_columns(column.cast(pl.Datetime("us", "UTC")))


def features_of(features: Any, plans: Mapping[str, ViewPlan]) -> dict[str, list[str]]:
    """The wanted features by view, in the order given; None is all of all views."""
    if features is None:
        return {name: list(plan.feature_types) for name, plan in plans.items()}
    given: Sequence[Any] = (
        [features] if isinstance(features, str | FeatureService | FeatureView) else features
    )
    out: dict[str, list[str]] = {}
    for item in given:
        for view, feature in _named(item, plans):
            wanted = out.setdefault(view, [])
            if feature not in wanted:
                wanted.append(feature)
    return out


def _named(item: Any, plans: Mapping[str, ViewPlan]) -> list[tuple[str, str]]:
    if isinstance(item, FeatureService):
        return [pair for inner in item.features for pair in _named(inner, plans)]
    if isinstance(item, FeatureView):
        item = item.name
    if isinstance(item, FeatureRef):
        item = f"{item.view.name}:{item.feature}"
    view, _, feature = str(item).partition(":")
    view = view.partition("@")[0]
    if view not in plans:
        hint = did_you_mean(view, plans) or f"There is {', '.join(plans)}."
        raise UsageError(f"no view `{view}` under test. {hint}")
    known = plans[view].feature_types
    if not feature:
        return [(view, name) for name in known]
    if feature not in known:
        hint = did_you_mean(feature, known) or f"It has {', '.join(known)}."
        raise UsageError(f"the view {view} has no feature `{feature}`. {hint}")
    return [(view, feature)]
