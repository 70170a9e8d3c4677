"""The step of a view: what is written, when timers ask to be woken, what is emitted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import headrace as hr
from headrace.durations import HOUR, MINUTE
from headrace.errors import StateError
from headrace.panes import REPUBLISH, Update, ViewCore
from headrace.panes.levels import RUN
from headrace.panes.runs import SHORT
from headrace.plan import ViewPlan, plan_view
from tests.panes.harness import timers, timers_of

CLOCK = 100 * HOUR


def plan(features: dict[str, Any], **more: Any) -> ViewPlan:
    source = hr.StreamSource(
        "events",
        schema={"id": hr.String, "at": hr.Timestamp, "x": hr.Int64, "s": hr.String},
        format="json",
        key="id",
        timestamp="at",
        lateness=more.pop("lateness", "0s"),
    )
    entity = hr.Entity("thing", keys={"id": hr.String})
    return plan_view(hr.FeatureView("v", entity=entity, source=source, features=features, **more))


class Stepper:
    """A core with its state in a dict; rows are (key, time, x) on partition 0."""

    def __init__(self, plan: ViewPlan, clock: Any = "wall") -> None:
        self.plan, self.core = plan, ViewCore(plan, clock=clock)
        self.state: dict[bytes, bytes] = {}
        self.reads: list[bytes] = []
        self.order = 0

    def __call__(self, *rows: tuple[str, int, int], due: Any = (), clock: int = CLOCK) -> Update:
        n = len(rows)
        columns = {
            "_partition": pl.Series([0] * n, dtype=pl.Int32),
            "_key": pl.Series([k for k, _, _ in rows], dtype=pl.String),
            "_event_time": pl.Series([t for _, t, _ in rows], dtype=pl.Int64),
            "_order": pl.Series(range(self.order, self.order + n), dtype=pl.Int64),
        }
        self.order += n
        for name, t in self.plan.inputs.items():
            columns[name] = pl.Series(name, [x for _, _, x in rows], dtype=pl.Int64).cast(t.polars)
        update = self.core.step(
            pl.DataFrame(columns), {0: timers(*due)} if due else {}, {0: clock}, self.read
        )
        for writes in update.partitions.values():
            for key, value in zip(writes.keys, writes.values, strict=True):
                if value is None:
                    self.state.pop(key, None)
                else:
                    self.state[key] = value
        return update

    def read(self, partition: int, keys: list[bytes]) -> list[bytes | None]:
        assert partition == 0
        self.reads += keys
        return [self.state.get(key) for key in keys]


def test_a_flush_writes_one_record_an_entity_however_long_its_windows() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}), clock="event")
    for minute in range(120):
        update = step(("a", minute * MINUTE, 1), clock=minute * MINUTE)
        assert update.online["n"].to_list() == [min(minute + 1, 60)]
        left_behind = minute > 0 and minute % RUN == 0
        expected = [b"ha"] + [b"t"] * left_behind
        written = [k[:2] if k[:1] == b"h" else k[:1] for k in update.partitions[0].keys]
        deleted = update.partitions[0].values.count(None)
        assert written == expected + [b"t"] * deleted
    assert len(step.state) == 1 + 60 // RUN


def test_a_window_reads_at_most_the_one_run_that_it_cuts() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}), clock="event")
    for minute in range(120):
        step.reads.clear()
        step(("a", minute * MINUTE, 1), clock=minute * MINUTE)
        assert len(step.reads) <= 2


def test_a_late_event_writes_its_run_and_the_head() -> None:
    step = Stepper(plan({"x": hr.sum("x", over="1h")}), clock="event")
    for minute in range(60):
        step(("a", minute * MINUTE, 1), clock=minute * MINUTE)
    update = step(("a", 20 * MINUTE, 100), clock=60 * MINUTE - 1)
    assert update.online["x"].to_list() == [160]
    assert sorted(k[:1] for k in update.partitions[0].keys) == [b"h", b"t"]


def test_a_run_of_few_panes_is_in_the_head_until_a_late_event_makes_it_longer() -> None:
    step = Stepper(plan({"x": hr.sum("x", over="1h")}), clock="event")
    for minute in (0, SHORT - 1, 20, 40):
        step(("a", minute * MINUTE, 1), clock=minute * MINUTE)
    assert [key[:1] for key in step.state] == [b"h"]
    late = [("a", minute * MINUTE, 1) for minute in range(SHORT, SHORT + 2)]
    assert step(*late, clock=41 * MINUTE).online["x"].to_list() == [6]
    assert sorted(key[:1] for key in step.state) == [b"h", b"t"]
    step.reads.clear()
    assert step(("a", 61 * MINUTE, 1), clock=61 * MINUTE).online["x"].to_list() == [7 - SHORT]
    assert len(step.reads) == 2  # the window begins within the long run
    assert step(("a", 81 * MINUTE, 1), clock=81 * MINUTE).online["x"].to_list() == [3]
    assert [key[:1] for key in step.state] == [b"h"]


def test_a_record_that_has_become_short_stays_a_record() -> None:
    step = Stepper(plan({"x": hr.sum("x", over="1h")}), clock="event")
    for minute in (*range(RUN), 20):
        step(("a", minute * MINUTE, 1), clock=minute * MINUTE)
    at = 60 + RUN - 2  # one pane of the run is left
    for late, expected in ((30, 3), (RUN - 1, 4)):
        assert step(("a", late * MINUTE, 1), clock=at * MINUTE).online["x"].to_list() == [expected]
        assert sorted(key[:1] for key in step.state) == [b"h", b"t"]


def test_an_event_too_late_for_every_window_is_counted_and_leaves_no_state() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    update = step(("a", CLOCK - 2 * HOUR, 1), ("b", CLOCK - 59 * MINUTE, 1))
    assert (update.late_events, update.rows, update.entities) == (1, 2, 2)
    assert update.online["_key"].to_list() == ["b"]
    assert list(step.state) == [b"hb"]


def test_the_timer_is_the_instant_at_which_the_oldest_pane_leaves() -> None:
    step = Stepper(plan({"n": hr.count(over="1h"), "m": hr.count(over="24h")}))
    update = step(("a", CLOCK - 10 * MINUTE, 1), ("a", CLOCK, 1))
    assert update.partitions[0].timers.rows() == [(CLOCK + 50 * MINUTE, b"a")]
    fired = step(due=update.partitions[0].timers.rows(), clock=CLOCK + 50 * MINUTE)
    assert fired.online.select("n", "m").rows() == [(1, 2)]
    assert fired.partitions[0].timers.rows() == [(CLOCK + HOUR, b"a")]


def test_a_timer_is_written_only_when_it_is_earlier_or_the_last_one_fired() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    first = step(("a", CLOCK, 1))
    assert step(("a", CLOCK + MINUTE, 1), clock=CLOCK + MINUTE).partitions[0].timers.rows() == []
    earlier = step(("a", CLOCK - 5 * MINUTE, 1), clock=CLOCK + MINUTE)
    assert earlier.partitions[0].timers.rows() == [(CLOCK + 55 * MINUTE, b"a")]
    stale = step(due=first.partitions[0].timers.rows(), clock=CLOCK + MINUTE)
    assert (len(stale.online), stale.partitions) == (0, {})


def test_a_closed_window_wakes_when_it_completes_and_when_it_passes() -> None:
    step = Stepper(plan({"n": hr.count(over=hr.tumbling("1h", closed=True))}, lateness="5m"))
    update = step(("a", CLOCK + 10, 1), clock=CLOCK + 10)
    assert (len(update.online), list(step.state)) == (0, [b"ha"])
    (timer,) = update.partitions[0].timers.rows()
    assert timer == (CLOCK + HOUR + 5 * MINUTE, b"a")
    shown = step(due=[timer], clock=timer[0])
    assert shown.online["n"].to_list() == [1]
    (timer,) = shown.partitions[0].timers.rows()
    assert timer == (CLOCK + 2 * HOUR + 5 * MINUTE, b"a")
    gone = step(due=[timer], clock=timer[0])
    assert gone.online.select("n", "_remove").rows() == [(0, True)]
    assert step.state == {}


def test_t_never_falls_when_the_clock_does() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    step(("a", CLOCK + HOUR, 1), clock=CLOCK)
    assert step(("a", CLOCK, 1), clock=CLOCK).online["_as_of"].to_list() == [CLOCK + HOUR]


def test_an_empty_entity_whose_t_is_ahead_of_the_clock_keeps_its_t_until_the_clock_is_there() -> None:
    step = Stepper(plan({"n": hr.count(where="x > 0", over="1h")}))
    rows = ("a", CLOCK + HOUR, 0)  # the core sees the input alone: a null input counts nothing
    step.plan.inputs  # noqa: B018 - one Bool input
    frame = pl.DataFrame(
        {
            "_partition": pl.Series([0], dtype=pl.Int32),
            "_key": [rows[0]],
            "_event_time": [rows[1]],
            "_order": [0],
            "* where x > 0": pl.Series([None], dtype=pl.Boolean),
        }
    )
    update = step.core.step(frame, {}, {0: CLOCK}, step.read)
    assert (len(update.online), update.partitions[0].timers.rows()) == (0, [(CLOCK + HOUR, b"a")])
    step.state = dict(zip(update.partitions[0].keys, map(bytes, update.partitions[0].values), strict=True))  # type: ignore[arg-type]
    gone = step(due=[(CLOCK + HOUR, b"a")], clock=CLOCK + HOUR)
    assert (gone.partitions[0].keys, gone.partitions[0].values) == ([b"ha"], [None])


def test_republishing_emits_an_entity_again_and_changes_no_value() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    step(("a", CLOCK, 1), ("b", CLOCK, 1))
    again = step(due=[(REPUBLISH, b"a")])
    assert again.online.select("_key", "n").rows() == [("a", 1)]


def test_republishing_an_entity_that_is_gone_removes_it_online_again() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    told = step(due=[(REPUBLISH, b"gone")])
    assert told.online.select("_key", "_remove").rows() == [("gone", True)]
    assert step.state == {}


def test_ttl_is_told_in_milliseconds_and_its_end_wakes() -> None:
    step = Stepper(plan({"n": hr.count(over=hr.lifetime())}, ttl="2h"))
    update = step(("a", CLOCK - HOUR, 1))
    assert update.online["_ttl"].to_list() == [3_600_000]
    assert update.partitions[0].timers.rows() == [(CLOCK + HOUR, b"a")]
    gone = step(due=update.partitions[0].timers.rows(), clock=CLOCK + HOUR)
    assert gone.online.select("_key", "_remove").rows() == [("a", True)]
    assert step.state == {}


def test_with_a_fixed_clock_nothing_wakes() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}), clock=CLOCK)
    update = step(("a", CLOCK, 1), ("a", CLOCK + 1, 1))
    assert update.online.select("n", "_as_of").rows() == [(1, CLOCK)]
    assert update.partitions[0].timers.rows() == []


def test_an_integer_sum_beyond_int64_is_capped_and_counted() -> None:
    step = Stepper(plan({"x": hr.sum("x", over="1h")}))
    update = step(("a", CLOCK, 2**63 - 1), ("a", CLOCK, 1), ("b", CLOCK, 1))
    assert (sorted(update.online["x"].to_list()), update.capped) == ([1, 2**63 - 1], 1)


def test_one_text_on_two_partitions_is_two_entities() -> None:
    core = ViewCore(plan({"n": hr.count(over="1h")}), clock="wall")
    frame = pl.DataFrame(
        {
            "_partition": pl.Series([1, 0, 1], dtype=pl.Int32),
            "_key": ["a", "a", "a"],
            "_event_time": [CLOCK] * 3,
            "_order": [0, 1, 2],
        }
    )
    update = core.step(frame, {}, {0: CLOCK, 1: CLOCK}, lambda _, keys: [None] * len(keys))
    assert update.online.select("_partition", "n").rows() == [(0, 1), (1, 2)]
    assert sorted(update.partitions) == [0, 1]


def test_restored_records_ask_for_their_timers() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    asked = step(("a", CLOCK, 1), ("b", CLOCK - MINUTE, 1)).partitions[0].timers.rows()
    restored = timers_of(step.core, step.state)
    assert sorted(restored) == sorted(asked)
    assert step.core.entities_of([b"ha", b"t\x00a12345678", b"hb"]) == [b"a", b"b"]


def test_state_of_another_definition_is_refused() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}))
    step(("a", CLOCK, 1))
    other = Stepper(plan({"n": hr.count(over="2h")}))
    other.state = step.state
    with pytest.raises(StateError, match="another layout"):
        other(("a", CLOCK, 1))


def test_a_record_that_the_head_promises_and_is_not_there_is_an_error() -> None:
    step = Stepper(plan({"n": hr.count(over="1h")}), clock="event")
    for minute in range(60):
        step(("a", minute * MINUTE, 1), clock=minute * MINUTE)
    step.state = {k: v for k, v in step.state.items() if k[:1] == b"h"}
    with pytest.raises(StateError, match="restored from the changelog"):
        step(("a", 64 * MINUTE, 1), clock=64 * MINUTE)


def test_a_flush_of_nothing_is_nothing() -> None:
    update = Stepper(plan({"n": hr.count(over="1h"), "s": hr.latest("s")}))()
    assert (update.partitions, len(update.online), update.rows) == ({}, 0, 0)
    assert update.online.columns == [
        "_partition",
        "_key",
        "n",
        "s",
        "_event_time",
        "_as_of",
        "_ttl",
        "_remove",
    ]
