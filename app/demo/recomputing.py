"""What the features must be, recomputed from the events that were sent: no Kafka, no panes, no state, no Redis.

Each view's rows are taken from the events' frame, and each window is looked up in them anew, by Polars.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.durations import parse_instant
from headrace.offline.point_in_time import point_in_time
from headrace.online.text import to_text
from headrace.plan import ViewPlan
from headrace.types import FLOATS

Hash = Mapping[str, str]
"""An entity as Redis has it: field to text."""


@dataclass(frozen=True)
class Mismatch:
    """One value that is not what the events say; None where there is none."""

    view: str
    key: str
    feature: str
    online: str | None
    recomputed: str | None

    def __str__(self) -> str:
        return f"{self.view} {self.key} {self.feature}: online {self.online}, recomputed {self.recomputed}"


def rows_of(plan: ViewPlan, events: pl.DataFrame) -> pl.DataFrame:
    """The view's rows: ``_key _event_time _order`` and its inputs, of a frame of the source's columns with
    ``_partition _offset _timestamp``.
    """
    numbered = events.with_columns(pl.Series("_row", np.arange(len(events))), _topic=pl.lit(_topic(plan)))
    return plan.project(plan.source.accept(numbered, clock="wall").frame).rows


def mismatches(plan: ViewPlan, rows: pl.DataFrame, online: Mapping[str, Hash], now: int) -> list[Mismatch]:
    """Every value of every entity, as of the instant that the entity's own ``_as_of`` tells.

    `online` has the hashes by entity text. An entity that is not there must read as over no events as of `now`
    (microseconds); one that is there without rows is a mismatch, too.
    """
    keys = sorted(set(rows["_key"].to_list()) | set(online))
    at = [parse_instant(online[k]["_as_of"]) if "_as_of" in online.get(k, {}) else now for k in keys]
    asked = pl.DataFrame({"_key": keys, "_at": at}, schema={"_key": pl.String, "_at": pl.Int64})
    expected = _texts(plan, point_in_time(plan, rows, asked))
    nothing = {name: texts[0] for name, texts in _texts(plan, plan.over_no_events).items()}
    out = []
    for i, key in enumerate(keys):
        found = online.get(key, nothing)
        for name, texts in expected.items():
            if not _same(found.get(name), texts[i], plan.feature_types[name] in FLOATS):
                out.append(Mismatch(plan.id, key, name, found.get(name), texts[i]))
    return out


def _topic(plan: ViewPlan) -> str:
    topics: Sequence[str] = getattr(plan.source.source, "topics", ("",))
    return topics[0]


def _texts(plan: ViewPlan, values: pl.DataFrame) -> dict[str, list[str | None]]:
    return {name: to_text(values[name], type).to_list() for name, type in plan.feature_types.items()}


def _same(got: str | None, expected: str | None, floating: bool) -> bool:
    if got is None or expected is None or not floating:
        return got == expected
    a, b = float(got), float(expected)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (a != a and b != b)
