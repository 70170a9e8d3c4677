"""Random views over random streams: after every flush the online store is what the oracle says."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.panes import warm
from headrace.panes.compiled import KERNELS
from headrace.plan import plan_view
from tests.oracle import Entity, record, remembered, select, without_copies
from tests.panes.harness import Engine
from tests.panes.random_views import CASES, SECOND, VALUES, frame, streams, views

CLOCKS = st.sampled_from(["wall", "event", "event", 90 * SECOND])


@pytest.fixture(autouse=True, scope="module", params=[True, False], ids=["machine code", "without numba"])
def compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        warm()
        for kernel in () if request.param else KERNELS:
            patch.setattr(kernel, "_compiled", None)
        yield


@CASES
@given(view=views(dedup=True, sessions=True), stream=streams(), clock=CLOCKS, data=st.data())
def test_online_values_equal_the_oracle_after_every_flush(
    view: Any, stream: list[dict[str, Any]], clock: Any, data: st.DataObject
) -> None:
    run_both(view, stream, clock, data)


def run_both(view: Any, stream: list[dict[str, Any]], clock: Any, data: st.DataObject) -> None:
    engine = Engine(plan_view(view), clock)
    lateness = view.source.lateness
    entities: dict[str, Entity] = defaultdict(Entity)
    recorded: dict[int, float] = dict.fromkeys((0, 1), -math.inf)
    arrived: list[dict[str, Any]] = []
    wall, at = -1000 * SECOND, 0
    while at < len(stream):
        size = data.draw(st.integers(1, 8), label="events in the flush")
        batch = [{**ev, "order": at + i} for i, ev in enumerate(stream[at : at + size])]
        wall = max(wall, batch[-1]["now"]) + data.draw(
            st.sampled_from([0, 0, SECOND, 30 * SECOND]), label="later"
        )
        if data.draw(st.integers(0, 5), label="crash") == 0:
            more = [{**ev, "order": at + i} for i, ev in enumerate(stream[at : at + size + 3])]
            clocks = dict(engine.clocks)
            engine.lose(engine.accept(frame(more, at), wall))
            engine.clocks = clocks
            engine.restart()
        rows = engine.accept(frame(batch, at), wall)
        engine.flush(rows, with_timers=data.draw(st.booleans(), label="with timers"))
        at += size
        if data.draw(st.integers(0, 5), label="restart") == 0:
            engine.restart()

        counted = [ev for ev in batch if isinstance(clock, str) or ev["t"] <= clock]
        if view.where is not None:
            counted = [ev for ev in counted if VALUES[view.where](ev) is True]
        for ev in counted:
            recorded[ev["e"] % 2] = max(recorded[ev["e"] % 2], record(ev))
        arrived += [{**ev, "place": ev["e"] % 2} for ev in counted]
        assume(remembered(arrived, view.source.dedup, lateness))
        several = without_copies(arrived, view.source.dedup)
        counted = [ev for ev in several if ev["order"] >= at - size]
        for key in {str(ev["e"]) for ev in counted} | set(entities):
            mine = [ev for ev in counted if str(ev["e"]) == key]
            fixed = not isinstance(clock, str)
            entities[key].apply(mine, engine.clocks[int(key) % 2], view.ttl, fixed=fixed)
        for key, entity in entities.items():
            expected = entity.features(view, lateness, VALUES)
            check(view, engine.online.get(key), expected, entity, lateness)
            entity.forget(view, lateness, VALUES, engine.clocks[int(key) % 2], recorded[int(key) % 2])
            assert bool(entity.events) <= ((int(key) % 2, b"h" + key.encode()) in engine.state)


def check(
    view: Any, got: dict[str, Any] | None, expected: dict[str, Any] | None, entity: Entity, lateness: int
) -> None:
    assert (got is None) == (expected is None), (got, expected)
    if got is None or expected is None:
        return
    assert got["_as_of"] <= entity.t
    assert got["_event_time"] == entity.events[-1]["t"]
    for name, aggregate in view.features.items():
        scale = scale_of(aggregate, entity, lateness)
        assert same(got[name], expected[name], scale), (name, str(aggregate), got[name], expected[name])


def scale_of(aggregate: Any, entity: Entity, lateness: int) -> float:
    """What the error of a float is measured by: the sum of absolute values."""
    if aggregate.function not in ("sum", "avg", "stddev", "variance", "decayed_sum"):
        return 1.0
    xs = [
        abs(float(x))
        for x in select(entity.events, aggregate, entity.t, lateness, VALUES)
        if math.isfinite(x)
    ]
    return 1.0 + sum(xs) * (max(xs, default=1.0) if aggregate.function == "variance" else 1.0)


def same(got: Any, expected: Any, scale: float) -> bool:
    if isinstance(expected, list):
        return len(got) == len(expected) and all(same(a, b, 0.0) for a, b in zip(got, expected, strict=True))
    if isinstance(got, datetime):
        return round(got.timestamp() * 1e6) == expected
    if isinstance(expected, Decimal) or not isinstance(expected, float):
        return bool(got == expected)
    if not math.isfinite(expected):
        return repr(got) == repr(expected)
    return bool(abs(got - expected) <= 1e-9 * scale * max(1.0, abs(expected)))


@pytest.mark.parametrize("clock", ["wall", "event", 90 * SECOND])
@CASES
@given(view=views(ttl=False, sessions=True), stream=streams(), data=st.data())
def test_a_batch_split_in_any_way_gives_the_same_values(
    clock: Any, view: Any, stream: list[dict[str, Any]], data: st.DataObject
) -> None:
    stream = [{**ev, "f": whole_number(ev["f"])} for ev in stream]
    plan = plan_view(view)
    whole, split = Engine(plan, clock), Engine(plan, clock)
    wall = max((ev["now"] for ev in stream), default=0)
    whole.flush(whole.accept(frame(stream, 0), wall))
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 10))
        part = stream[at : at + size]
        split.flush(split.accept(frame(part, at), part[-1]["now"]))
        at += size
    split.flush(split.accept(frame([], at), wall))
    assert set(whole.online) == set(split.online)
    for key, row in whole.online.items():
        for name, aggregate in view.features.items():
            a, b = row[name], split.online[key][name]
            close = isinstance(a, float) and isinstance(b, float) and abs(a - b) <= 1e-6 * max(1.0, abs(a))
            assert a == b or close or repr(a) == repr(b), (name, str(aggregate), a, b)


def whole_number(x: float | None) -> float | None:
    """Floats whose sums are exact, so that the order of additions does not show."""
    return float(round(x)) if x is not None and math.isfinite(x) else None
