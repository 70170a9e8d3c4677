"""Random definitions over random streams: `headrace.testing`, online and recomputed, is what the oracle says."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace import testing
from headrace.durations import format_instant
from tests.oracle import Entity, feature, record, without_copies
from tests.panes.random_views import CASES, SCHEMA, VALUES, streams, views
from tests.panes.test_panes_against_oracle import same, scale_of

FIRST = -1_000_000_000  # before every event of a stream


@CASES
@given(view=views(dedup=True, sessions=True), stream=streams(max_size=20), data=st.data())
def test_a_view_under_test_shows_what_the_oracle_says_online_and_recomputed(
    view: Any, stream: list[dict[str, Any]], data: st.DataObject
) -> None:
    run = testing.run(view, now=format_instant(FIRST))
    lateness = view.source.lateness
    entities: dict[int, Entity] = defaultdict(Entity)
    arrived: list[dict[str, Any]] = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 8), label="events in the push")
        now = max(run.now, stream[at : at + size][-1]["now"])
        run.advance(timedelta(microseconds=now - run.now))
        for entity in entities.values():  # a ttl that is over by now is over before the push
            entity.apply([], now, view.ttl)
        pushed = [
            {**ev, "order": at + i, "place": 0, "now": now} for i, ev in enumerate(stream[at : at + size])
        ]
        run.push([{name: ev[name] for name in SCHEMA} for ev in pushed])
        arrived += [ev for ev in pushed if view.where is None or VALUES[view.where](ev) is True]
        counted = without_copies(arrived, view.source.dedup)
        for e in {ev["e"] for ev in counted}:
            mine = [ev for ev in counted if ev["e"] == e]
            entities[e].apply([ev for ev in mine if ev["order"] >= at], now, view.ttl)
            expect(view, run.online({"e": e}), entities[e])
            entities[e].forget(view, lateness, VALUES, now, max(map(record, counted)))
        at += size
        if view.ttl is None:  # a ttl that is near the lateness may forget what recomputation joins (ADR 3)
            for row in run.offline().iter_rows(named=True):
                entity = Entity()
                entity.apply([ev for ev in counted if ev["e"] == row["e"]], run.now, None)
                expect(view, row, entity)


def expect(view: Any, got: Any, entity: Entity) -> None:
    lateness = view.source.lateness
    wanted = entity.features(view, lateness, VALUES)
    for name, aggregate in view.features.items():
        expected = feature(aggregate, [], 0, 0, VALUES)[0] if wanted is None else wanted[name]
        scale = scale_of(aggregate, entity, lateness)
        assert same(got[name], expected, scale), (name, str(aggregate), got[name], expected)
