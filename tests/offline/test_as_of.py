"""Features by folding sorted events are what the oracle says, of random views, as of any instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.offline import folding
from headrace.offline.as_of import Asked, Events, features_as_of
from headrace.offline.timeline import sorted_timeline
from headrace.plan import SourcePlan, ViewPlan, plan_view
from tests.oracle import Entity, feature, record
from tests.panes.random_views import CASES, SECOND, VALUES, frame, streams, views
from tests.panes.test_panes_against_oracle import same, scale_of

MOMENTS = [-1, 0, 1, SECOND, 40 * SECOND]


def events_of(plan: ViewPlan, stream: list[dict[str, Any]], *, arrived: bool) -> Events:
    accepted = SourcePlan(plan.view.source).accept(frame(stream, 0), clock="event").frame
    rows = plan.project(accepted).rows
    entity = rows["_key"].cast(pl.Int64).to_numpy()
    come = [stream[order] for order in _offsets(rows)]
    arrivals = np.array([ev["now"] if arrived else record(ev) for ev in come], "i8")
    timeline, by = sorted_timeline(entity, rows["_event_time"].to_numpy(), rows["_order"].to_numpy(), 10)
    if by is not None:
        rows, arrivals = rows[by], arrivals[by]
    return Events(timeline, rows, arrivals, ingested=arrived)


def _offsets(rows: pl.DataFrame) -> list[int]:
    return (rows["_order"].to_numpy() & ((1 << 41) - 1)).tolist()


@pytest.mark.parametrize("known", ["happened", "ingested"])
@CASES
@given(stream=streams(), data=st.data(), fan=st.sampled_from([2, 3, 8]))
def test_values_equal_the_oracle(
    known: str, stream: list[dict[str, Any]], data: st.DataObject, fan: int
) -> None:
    view: Any = data.draw(views(sessions=known == "happened"))
    plan = plan_view(view)
    instants = [ev["t"] for ev in stream] + [ev["now"] for ev in stream] + [0]
    moment = st.builds(lambda t, d: t + d, st.sampled_from(instants), st.sampled_from(MOMENTS))
    rows = data.draw(st.lists(st.tuples(st.sampled_from([0, 1, 9]), moment), min_size=1, max_size=8))
    strict = data.draw(st.booleans())
    asked = Asked(*(np.array(column, "i8") for column in zip(*rows, strict=True)), strict)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(folding, "FAN", fan)
        patched.setattr(folding, "PIECES", 5)
        got = features_as_of(
            plan, list(plan.computed), events_of(plan, stream, arrived=known == "ingested"), asked
        )
    assert_equal_the_oracle(got[:-1], view, stream, rows, strict=strict, known=known)


def assert_equal_the_oracle(
    got: Sequence[pl.Series],
    view: Any,
    stream: list[dict[str, Any]],
    rows: Sequence[tuple[int, int]],
    *,
    strict: bool,
    known: str,
) -> None:
    """The features of each (entity, T)."""
    for i, (key, at) in enumerate(rows):
        entity = Entity()
        seen = [{**ev, "order": i} for i, ev in enumerate(stream) if ev["e"] == key]
        seen = [ev for ev in seen if ev["t"] < at or (ev["t"] == at and not strict)]
        seen = [ev for ev in seen if known == "happened" or ev["now"] <= at]
        if view.where is not None:
            seen = [ev for ev in seen if VALUES[view.where](ev) is True]
        entity.apply(seen, at, view.ttl)
        expected = entity.features(view, view.source.lateness, VALUES)
        if expected is None:
            expected = {n: feature(a, [], at, 0, VALUES)[0] for n, a in view.features.items()}
        for (name, aggregate), column in zip(view.features.items(), got, strict=True):
            scale = scale_of(aggregate, entity, view.source.lateness)
            assert same(column[i], expected[name], scale), (name, str(aggregate), column[i], expected[name])
