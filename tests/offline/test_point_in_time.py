"""Point-in-time values over events are what the oracle says, at any instant."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.offline.point_in_time import point_in_time
from headrace.plan import SourcePlan, ViewPlan, plan_view
from tests.oracle import Entity, feature
from tests.panes.random_views import CASES, SECOND, VALUES, frame, streams, views
from tests.panes.test_panes_against_oracle import same, scale_of


def rows_of(plan: ViewPlan, stream: list[dict[str, Any]]) -> pl.DataFrame:
    return plan.project(SourcePlan(plan.view.source).accept(frame(stream, 0), clock="event").frame).rows


@CASES
@given(view=views(sessions=True), stream=streams(), data=st.data())
def test_values_as_of_any_instant_equal_the_oracle(
    view: Any, stream: list[dict[str, Any]], data: st.DataObject
) -> None:
    plan = plan_view(view)
    instants = [ev["t"] for ev in stream] + [0]
    moments = st.tuples(
        st.sampled_from(["0", "1", "9", None]),
        st.builds(
            lambda t, d: t + d, st.sampled_from(instants), st.sampled_from([-1, 0, 1, SECOND, 40 * SECOND])
        ),
    )
    asked = data.draw(st.lists(moments, min_size=1, max_size=8))
    frame_of = pl.DataFrame(asked, schema={"_key": pl.String, "_at": pl.Int64}, orient="row")
    strict = data.draw(st.booleans())
    got = point_in_time(plan, rows_of(plan, stream), frame_of, strict=strict)
    for (key, at), row in zip(asked, got.iter_rows(named=True), strict=True):
        entity = Entity()
        known = [{**ev, "order": i} for i, ev in enumerate(stream) if str(ev["e"]) == key]
        known = [ev for ev in known if ev["t"] < at or (ev["t"] == at and not strict)]
        if view.where is not None:
            known = [ev for ev in known if VALUES[view.where](ev) is True]
        entity.apply(known, at, view.ttl)
        expected = entity.features(view, view.source.lateness, VALUES)
        if expected is None:
            expected = {n: feature(a, [], at, 0, VALUES)[0] for n, a in view.features.items()}
        for name, aggregate in view.features.items():
            scale = scale_of(aggregate, entity, view.source.lateness)
            assert same(row[name], expected[name], scale), (name, str(aggregate), row[name], expected[name])
