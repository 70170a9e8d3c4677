"""State built from history up to an offset, continued by the stream from there: the same as the stream alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import StateError, UsageError
from headrace.offline.rebuilding import Rebuilding, by_hash, earliest, until_of
from headrace.offline.sources import FrameEvents
from headrace.panes import again
from headrace.plan import plan_view
from tests.panes.harness import BEFORE, Engine, timers_of
from tests.panes.random_views import CASES, SECOND, frame, streams, views
from tests.panes.test_panes_against_oracle import whole_number

TOPIC = "events"
AFTER_1970 = 86_400 * SECOND


def rebuilt(engine: Engine, history: pl.DataFrame, until: int, wall: int, bucket: int) -> None:
    """Give an engine the state and the clocks of the events below `until`; what it shows, it has yet to show."""
    places = dict.fromkeys([(TOPIC, 0), (TOPIC, 1)], until)
    events = FrameEvents(engine.source.source, history.lazy())
    with Rebuilding(engine.plan, engine.clock, places, -(2**60), 2, bucket=bucket) as job:
        assert job.read(events)
        for partition, keys, values in job.state(wall):
            for key, value in zip(keys, values, strict=True):
                assert (partition, key) not in engine.state
                engine.state[partition, key] = value
        for p in (0, 1):
            at = (
                wall
                if engine.clock == "wall"
                else job.clock_of(p)
                if engine.clock == "event"
                else engine.clock
            )
            engine.clocks[p] = BEFORE if at is None else at
    for p in (0, 1):
        restored = {k: v for (q, k), v in engine.state.items() if q == p}
        engine.timers[p] = set(timers_of(engine.core, restored))
    known = {p: again([k[1:] for q, k in engine.state if q == p and k[:1] == b"h"]) for p in (0, 1)}
    engine.step(engine.empty, known)


@pytest.mark.parametrize("clock", ["wall", "event", 90 * SECOND])
@CASES
@given(view=views(ttl=False, dedup=True, sessions=True), stream=streams(), data=st.data())
def test_a_view_that_begins_with_history_shows_what_one_shows_that_saw_it_all(
    clock: Any, view: Any, stream: list[dict[str, Any]], data: st.DataObject
) -> None:
    stream = [{**ev, "f": whole_number(ev["f"])} for ev in stream]
    if view.source.dedup is not None:  # ids are kept by records' times, which in Kafka are not before 1970
        stream = [{**ev, "t": ev["t"] + AFTER_1970, "now": ev["now"] + AFTER_1970} for ev in stream]
    until = data.draw(st.integers(0, len(stream)), label="offset of the hand-over")
    plan = plan_view(view)
    whole, handed = Engine(plan, clock), Engine(plan, clock)
    wall = stream[until - 1]["now"] if until else -1000 * SECOND
    for at in range(until):
        whole.flush(whole.accept(frame(stream[at : at + 1], at), stream[at]["now"]))
    rebuilt(handed, frame(stream, 0), until, wall, data.draw(st.sampled_from([1, 1000]), label="bucket"))
    handed.flush(handed.empty)
    at = until
    while at < len(stream):
        part = stream[at : at + data.draw(st.integers(1, 10))]
        for engine in (whole, handed):
            engine.flush(engine.accept(frame(part, at), part[-1]["now"]))
        at += len(part)
    assert set(whole.online) == set(handed.online)
    for key, row in whole.online.items():
        for name, aggregate in view.features.items():
            a, b = row[name], handed.online[key][name]
            close = isinstance(a, float) and isinstance(b, float) and abs(a - b) <= 1e-6 * max(1.0, abs(a))
            assert a == b or close or repr(a) == repr(b), (name, str(aggregate), a, b)


def test_an_entity_goes_to_the_partition_that_its_target_says() -> None:
    keys = pl.Series(["a", "bb", "ccc", "a"])
    assert by_hash(len)(keys).to_list() == [1, 2, 3, 1]


def test_a_backfill_begins_so_long_ago_or_at_an_instant() -> None:
    assert earliest("90d", 100 * 86_400 * SECOND) == 10 * 86_400 * SECOND
    assert earliest("1970-01-02T00:00:00Z", 0) == 86_400 * SECOND
    with pytest.raises(UsageError, match=r"declare backfill= in the view, such as backfill='90d'"):
        earliest(None, 0)


def test_the_stream_goes_on_where_history_ends_or_before() -> None:
    places = {("t", 0): (5, 100), ("t", 1): (0, 50), ("t", 2): (3, 3)}
    kept = {("t", 0): 80, ("t", 1): 40, ("t", 2): None}
    assert until_of(places, kept, {}, "s") == {("t", 0): 80, ("t", 1): 40, ("t", 2): 3}
    assert until_of(places, kept, {("t", 0): 60, ("t", 1): 50}, "s")["t", 0] == 60


@pytest.mark.parametrize(
    ("kept", "said"),
    [(4, r"ends at offset 4, the log begins at 5: 1 events are in neither"), (101, r"the log ends at 100")],
)
def test_a_gap_between_history_and_the_log_is_refused(kept: int, said: str) -> None:
    with pytest.raises(StateError, match=said):
        until_of({("t", 0): (5, 100)}, {("t", 0): kept}, {}, "s")


def test_events_of_a_partition_that_is_not_there_are_refused(tmp_path: Path) -> None:
    import headrace as hr

    source = hr.StreamSource(
        "s", format="json", schema={"k": hr.Int64, "t": hr.Timestamp}, key="k", timestamp="t"
    )
    entity = hr.Entity("e", keys={"k": hr.Int64})
    view = hr.FeatureView("v", entity=entity, source=source, features={"n": hr.count(over=hr.lifetime())})
    events = pl.DataFrame({"k": [1, 2], "t": [1, 2], "_partition": [0, 1], "_offset": [0, 0]}).with_columns(
        pl.col("t").cast(pl.Datetime("us", "UTC")), _topic=pl.lit("s"), _timestamp=pl.lit(0)
    )
    with (
        Rebuilding(plan_view(view), "wall", {("s", 0): 9}, 0, 1, folder=tmp_path) as job,
        pytest.raises(StateError, match=r"1 events of partitions that the topic does not have"),
    ):
        job.read(FrameEvents(source, events.lazy()))
