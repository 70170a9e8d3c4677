"""Copies of events that are on the topic already: left out by their event id, and forgotten in time."""

from __future__ import annotations

from typing import Any

import pytest

import headrace as hr
from headrace import testing
from headrace.durations import SECOND
from headrace.plan import plan_view
from tests.panes.harness import Engine
from tests.panes.random_views import SCHEMA, frame


def view(**more: Any) -> hr.FeatureView:
    source = hr.StreamSource(
        "s", schema=SCHEMA, format="json", key="e", timestamp="t", event_id="id", dedup="1m", **more
    )
    features = {"n": hr.count(over=hr.lifetime()), "i": hr.sum("i", over=hr.lifetime())}
    return hr.FeatureView("v", entity=hr.Entity("e", keys={"e": hr.Int64}), source=source, features=features)


def event(id: int | None, now: int = 0, *, e: int = 0, i: int = 1) -> dict[str, Any]:
    return {**dict.fromkeys(SCHEMA), "e": e, "t": now * SECOND, "now": now * SECOND, "i": i, "id": id}


def engine(**more: Any) -> Engine:
    return Engine(plan_view(view(**more)), "event")


def push(engine: Engine, events: list[dict[str, Any]], first: int) -> None:
    engine.flush(engine.accept(frame(events, first), 0))


def test_the_first_event_of_an_id_counts_and_others_within_the_time_do_not() -> None:
    one = engine()
    push(one, [event(1, i=1), event(2, i=10), event(1, 5, i=100)], 0)
    push(one, [event(1, 59, i=1000)], 3)
    assert (one.online["0"]["n"], one.online["0"]["i"]) == (2, 11)


def test_an_id_counts_again_after_its_time_which_is_of_records() -> None:
    one = engine()
    push(one, [event(1), event(1, 60), event(1, 119), event(1, 120)], 0)
    assert one.online["0"]["n"] == 3
    push(one, [event(1, 180)], 4)
    assert one.online["0"]["n"] == 4


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_timestamps_that_go_back_and_forth_count_the_same_however_a_flush_is_cut(cut: int) -> None:
    """Each is judged by the last that counted, though an earlier one of its id is nearer."""
    events = [event(1, 100), event(1, 0), event(1, 100, i=10), event(1, 130, i=100)]
    one = engine(lateness="5m")
    push(one, events[:cut], 0)
    push(one, events[cut:], cut)
    assert (one.online["0"]["n"], one.online["0"]["i"]) == (3, 12)


def test_events_without_an_id_are_no_copies_of_each_other() -> None:
    one = engine()
    push(one, [event(None), event(None)], 0)
    assert one.online["0"]["n"] == 2


def test_a_copy_is_told_across_a_restart() -> None:
    one = engine()
    push(one, [event(1)], 0)
    one.restart()
    push(one, [event(1, 1)], 1)
    assert one.online["0"]["n"] == 1


def test_the_same_record_read_again_is_no_copy_of_itself() -> None:
    one = engine()
    push(one, [event(1)], 0)
    kept = {k: v for k, v in one.state.items() if k[1][:1] == b"i"}
    again = engine()
    again.state |= kept  # its id is known, its event is not counted yet
    push(again, [event(1)], 0)
    assert again.online["0"]["n"] == 1


def test_a_copy_that_comes_by_another_partition_first_is_the_first() -> None:
    shuffled = engine()
    rows = shuffled.accept(frame([event(1), event(1, 2)], 0), 0)
    place = rows.select(order=rows["_order"] + (1 << 41))["order"]  # from source partition 1, then from 0
    later = rows[1:]
    shuffled.flush(rows[:1].with_columns(_order=place[:1]))
    shuffled.flush(later)
    assert shuffled.online["0"]["n"] == 1


def test_ids_leave_the_state_when_no_copy_can_come_any_more() -> None:
    one = engine()
    for i in range(0, 300, 5):
        push(one, [event(i, i)], i)
    ids = [key for _, key in one.state if key[:1] == b"i"]
    notes = [key for _, key in one.state if key[:1] == b"x"]
    assert sorted(ids) == sorted(f"i{i}".encode() for i in range(240, 300, 5))
    assert len(notes) == len(ids)


def test_copies_are_counted_and_left_out_of_recomputations_too() -> None:
    run = testing.run(view(), now="2026-01-01T00:00:00Z")
    told = {**dict.fromkeys(SCHEMA), "e": 1, "t": "2026-01-01T00:00:00Z", "i": 1, "id": 7}
    run.push([told, told])
    run.advance("59s")
    run.push([told])
    assert run.online({"e": 1}) == {"n": 1, "i": 1}
    assert run.offline().select("n", "i").rows() == [(1, 1)]
    run.advance("1s")
    run.push([told])
    assert run.online({"e": 1}) == {"n": 2, "i": 2}
