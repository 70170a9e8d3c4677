"""Nothing of the future is in a training set: planted events change every feature later, and none before.

Every aggregate over every kind of window. What is planted is extreme in each column, just behind the instant asked for,
in front of the windows' ends, and of a late record.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import headrace as hr
from headrace.offline.metadata import TrainingSet
from headrace.offline.sources import FrameEvents
from headrace.offline.training import Options, training_set
from headrace.plan import plan_view
from headrace.project import Project, Views

T0 = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SOON = timedelta(microseconds=1)

WINDOWS = {
    "tumbling": hr.tumbling("1m"),
    "tumbling_closed": hr.tumbling("1m", closed=True),
    "hopping": hr.hopping("3m", "1m"),
    "hopping_closed": hr.hopping("3m", "1m", closed=True),
    "rolling": hr.rolling("2m", "10s"),
    "lifetime": hr.lifetime(),
    "session": hr.session("40s"),
    "session_closed": hr.session("40s", closed=True),
}


def aggregates(over: Any) -> dict[str, Any]:
    return {
        "count": hr.count(over=over),
        "count_of": hr.count("x", over=over),
        "count_if": hr.count_if("b", over=over),
        "sum": hr.sum("x", over=over),
        "avg": hr.avg("x", over=over),
        "min": hr.min("x", over=over),
        "max": hr.max("x", over=over),
        "stddev": hr.stddev("x", over=over),
        "variance": hr.variance("x", over=over, population=True),
        "first": hr.first("x", over=over),
        "latest": hr.latest("x", over=over),
        "any": hr.any("b", over=over),
        "all": hr.all("not b", over=over),
        "last_n": hr.last_n("x", 3, over=over),
        "first_n": hr.first_n("x", 9, over=over),
        "count_distinct": hr.count_distinct("x", over=over),
        "quantile": hr.quantile("x", 0.9, over=over),
        "median": hr.median("x", over=over),
        "top_k": hr.top_k("x", 9, over=over),
        "ratio": hr.ratio(hr.sum("x", over=over), hr.count(over=over)),
        "decayed_sum": hr.decayed_sum("x", half_life="1m", over=None if over.kind == "lifetime" else over),
    }


FEATURES = {f"{window}_{name}": a for window, over in WINDOWS.items() for name, a in aggregates(over).items()}
user = hr.Entity("user", keys={"user": hr.String})
events = hr.StreamSource(
    "events",
    schema={"user": hr.String, "x": hr.Float64, "b": hr.Bool, "at": hr.Timestamp},
    format="json",
    key="user",
    timestamp="at",
)
view = hr.FeatureView("view", entity=user, source=events, features=FEATURES)
PROJECT = Project(
    root=Path("."), sources={"events": events}, views=Views([view]), plans={view.id: plan_view(view)}
)

PAST = [
    ("old", float(x), False, T0 - timedelta(seconds=s), None) for x, s in enumerate((300, 130, 70, 25, 5))
]
USERS = ["old", "new"]


def frame(rows: list[Any]) -> pl.DataFrame:
    """Of (user, x, b, at, when its record came, if not at once)."""
    found = [(u, x, b, at, at if came is None else came) for u, x, b, at, came in rows]
    types = {"user": pl.String(), "x": pl.Float64(), "b": pl.Boolean()}
    instant = pl.Datetime("us", "UTC")
    return pl.DataFrame(found, schema={**types, "at": instant, "_timestamp": instant}, orient="row")


def made(rows: list[Any], instants: list[datetime], **options: Any) -> TrainingSet:
    asked = pl.DataFrame({"user": USERS * len(instants), "timestamp": [t for t in instants for _ in USERS]})
    return training_set(
        PROJECT, asked, "view", lambda s: FrameEvents(s, frame(rows).lazy()), Options(**options)
    )


def planted(*at: datetime, came: datetime | None = None) -> list[Any]:
    """For both users, at each instant, values beyond all there were."""
    return [(u, x, True, t, came) for u in USERS for t in at for x in (-1e6, 3e6)]


LATER = [T0 + i * SECOND for i in (5, 40, 75, 130, 190, 260, 400)]


@pytest.mark.parametrize(
    ("plants", "asked", "options"),
    [
        (planted(T0 + SOON, T0 + 3 * SECOND), {}, {}),
        (planted(T0), {}, {"strict": True}),
        (planted(T0 - 3 * SECOND, came=T0 + SOON), {}, {"known": "ingested"}),
    ],
    ids=["an event of later", "one at the very instant, strictly", "one whose record came later"],
)
def test_no_feature_sees_what_was_not_there_yet_and_each_sees_it_later(
    plants: list[Any], asked: dict[str, Any], options: dict[str, Any]
) -> None:
    before = [T0 - 20 * SECOND, T0]
    without, with_it = made(PAST, before, **options), made(PAST + plants, before, **options)
    leaked = [f for f in FEATURES if not with_it[f].equals(without[f])]
    assert leaked == []
    later, changed = made(PAST, LATER, **options), made(PAST + plants, LATER, **options)
    blind = [f for f in FEATURES if changed[f].equals(later[f])]
    assert blind == []
