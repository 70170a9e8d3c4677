"""Whether a view's Python is row-wise: the same for a row alone, among others, in another order, and once more.

Batches are cut anywhere and events are replayed, so what a `transform` or an `@hr.function` says of a row may depend on
that row alone. Tried on made-up rows before anything runs; what they do not show is not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import polars as pl

from headrace.errors import DefinitionError
from headrace.plan.sample import sample
from headrace.plan.view import ViewPlan

ALONE = 16  # rows that are tried alone

_HINT = (
    "Batches are cut anywhere and events are replayed: use the columns of the row alone, "
    "no sum, rank, shift or group over the frame, no clock and no random number."
)


def check_row_wise(plan: ViewPlan) -> DefinitionError | None:
    """The mistake, located in the view, or None. Runs the view's Python; a view without any is not tried."""
    view = plan.view
    if view.transform is None and not view.functions:
        return None
    frame = sample(plan.source.source)
    try:
        whole = _run(plan, frame)
        moved = _moved(plan, frame, whole)
        if moved is not None:
            return moved
        for how, parts in _cuts(frame):
            again = pl.concat([_run(plan, part) for part in parts]).sort("_row")
            name = _different(whole, again)
            if name is not None:
                return _told(plan, name, how)
    except pl.exceptions.PolarsError:
        return None  # it fails on what was made up: a worker says so of the events that it fails on
    return None


def _run(plan: ViewPlan, frame: pl.DataFrame) -> pl.DataFrame:
    return plan.projection.everything(frame).sort("_row")


def _moved(plan: ViewPlan, frame: pl.DataFrame, whole: pl.DataFrame) -> DefinitionError | None:
    """A key that the transform changes unsaid: rows would be counted where their old key is read."""
    view, transform = plan.view, plan.view.transform
    if transform is None:
        return None
    rows = frame[whole["_row"]]
    for key in view.entity.keys:
        if key in transform.adds or key in view.columns or key not in rows.columns:
            continue
        if not rows[key].equals(whole[key], null_equal=True):
            return DefinitionError(
                f"the transform `{transform.name}` changes `{key}`, a key of {view.entity.name}",
                expected="keys as they were read, unless adds= names them",
                got=f"another value in `{key}`",
                hint=f"Say adds={{'{key}': hr.{view.entity.keys[key]}}}, and rows go to the partition of the new key.",
            ).located(definition=f"FeatureView {view.name}", field="transform", place=view.place)
    return None


def _cuts(frame: pl.DataFrame) -> Iterator[tuple[str, list[pl.DataFrame]]]:
    n = len(frame)
    order = list(range(n))
    Random(2).shuffle(order)
    yield "when it is run again", [frame]
    yield "in smaller batches", [frame[: n // 3], frame[n // 3 :]]
    yield "in another order", [frame[order]]
    yield "alone", [frame[i : i + 1] for i in range(ALONE)] + [frame[ALONE:]]


def _different(whole: pl.DataFrame, again: pl.DataFrame) -> str | None:
    """The first column, in the order of making, in which the two differ; "_row" if other rows are there."""
    if not whole["_row"].equals(again["_row"]):
        return "_row"
    for name in whole.columns:
        if not whole[name].equals(again[name], null_equal=True):
            return name
    return None


def _told(plan: ViewPlan, name: str, how: str) -> DefinitionError:
    view = plan.view
    made = set(view.transform.adds) | {"_row"} if view.transform else set()
    before = {*view.columns, "where"}
    if view.transform is not None and (
        name in made or (name in plan.projection.schema and name not in before)
    ):
        what, field = f"the transform `{view.transform.name}` is not row-wise", "transform"
        got = "other rows are dropped" if name == "_row" else f"another value in `{name}`"
    else:
        what = "a Python function in this expression is not row-wise"
        field = f"columns.{name}" if name in view.columns else "where" if name == "where" else "features"
        got = f"another value of `{view.columns.get(name, view.where if name == 'where' else name)}`"
    return DefinitionError(
        what, expected="the same for a row whatever rows are beside it", got=f"{got} {how}", hint=_HINT
    ).located(definition=f"FeatureView {view.name}", field=field, place=view.place)
