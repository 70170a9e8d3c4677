"""The project under test: two views on one source, one of them added later, and one that is shuffled.

Their windows are of seconds, so that values fall: in the head record, in runs behind it, closed and open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import headrace as hr
from headrace.definitions import FeatureView
from headrace.plan import plan_view
from headrace.project import Project

NAME = "model"
TOPIC = "clicks"
PARTITIONS = 2

user = hr.Entity("user", keys={"user": hr.String})
shop = hr.Entity("shop", keys={"shop": hr.String})

clicks = hr.StreamSource(
    "clicks",
    topics=[TOPIC],
    format="json",
    schema={"user": hr.String, "shop": hr.String, "at": hr.Int64, "n": hr.Int64},
    key="user",
    timestamp="at",
    lateness="3s",
    start="earliest",
)

ever = hr.FeatureView(
    "ever",
    entity=user,
    source=clicks,
    features={"count": hr.count(over=hr.lifetime()), "n_20s": hr.sum("n", over=hr.rolling("20s", "1s"))},
)
shops = hr.FeatureView(
    "shops",
    entity=shop,
    source=clicks,
    features={"count": hr.count(over=hr.lifetime()), "n_5s": hr.sum("n", over=hr.rolling("5s", "1s"))},
)
lately = hr.FeatureView(
    "lately",
    entity=user,
    source=clicks,
    features={
        "now": hr.count(over=hr.tumbling("5s")),
        "before": hr.count(over=hr.tumbling("5s", closed=True)),
    },
)

VALUES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {"n": lambda row: row["n"]}
"""What the views' expressions mean, for the oracle."""


def project(views: tuple[FeatureView, ...]) -> Project:
    """The definitions, planned."""
    plans = {view.id: plan_view(view) for view in views}
    return Project(Path(), sources={"clicks": clicks}, plans=plans)


FIRST, ALL = project((ever, shops)), project((ever, shops, lately))
"""Before and after a view is added."""
