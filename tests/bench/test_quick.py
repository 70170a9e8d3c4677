"""W1 is held to the slowest yardstick that was steady in the same run."""

from __future__ import annotations

import pytest

from bench.profile import stages, table
from bench.quick import kept, verdict

STEADY = {"faust": [3_000.0, 3_100.0, 3_050.0], "kafka-streams": [170_000.0, 171_000.0, 172_000.0]}


def test_the_slowest_steady_yardstick_is_taken() -> None:
    found = verdict(305_000.0, {**STEADY, "bytewax": [1_000.0, 3_000.0, 2_000.0]}, {"faust": 100.0})
    assert found is not None
    assert (found.yardstick, found.ratio, found.fell) == ("faust", 100.0, False)


def test_a_yardstick_with_a_stored_ratio_goes_before_a_slower_one_without() -> None:
    found = verdict(171_000.0, STEADY, {"kafka-streams": 1.1})
    assert found is not None
    assert (found.yardstick, found.ratio) == ("kafka-streams", 1.0)


@pytest.mark.parametrize(("ours", "fell"), [(244_001.0, False), (243_999.0, True)])
def test_a_fall_of_more_than_a_fifth_is_a_warning(ours: float, fell: bool) -> None:
    found = verdict(ours, STEADY, {"faust": 100.0})
    assert found is not None
    assert found.fell is fell
    assert ("WARNING" in found.sentence()) is fell


def test_without_a_stored_ratio_nothing_has_fallen() -> None:
    found = verdict(1.0, STEADY, {})
    assert found is not None
    assert not found.fell
    assert "no ratio is stored" in found.sentence()


def test_nothing_is_said_without_a_steady_yardstick() -> None:
    assert verdict(1.0, {"faust": [1.0, 2.0]}, {}) is None


def test_what_is_kept_is_said_yardstick_by_yardstick() -> None:
    assert "100.0 times faust, 1.8 times kafka-streams" in kept({"faust": 100.0, "kafka-streams": 1.8})


def test_stages_are_told_by_the_event() -> None:
    text = """
headrace_stage_seconds_count{stage="compute"} 10.0
headrace_stage_seconds_sum{stage="compute"} 2.0
headrace_stage_seconds_count{stage="online"} 10.0
headrace_stage_seconds_sum{stage="online"} 3.0
headrace_events_total{topic="t",partition="0"} 600000.0
headrace_events_total{topic="t",partition="1"} 400000.0
headrace_flushes_total 10.0
"""
    assert stages(text) == {"compute": (2.0, 10), "online": (3.0, 10)}
    rows = table(text, 4.0)[2:]
    assert rows[:2] == ["| online | 3.00 | 300.0 | 10 |", "| compute | 2.00 | 200.0 | 10 |"]
    assert "| 4.00 | 400.0 | 10 |" in rows[2]
