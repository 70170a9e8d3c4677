"""What two workers reached beside what the machine allows them."""

from __future__ import annotations

from bench.two_workers import Run, sentence


def test_a_machine_allows_what_its_cores_have_time_for() -> None:
    assert Run(2, 300_000.0, ours=3.0, others=1.0).allowed == 500_000


def test_the_report_says_what_was_reached_and_what_was_allowed() -> None:
    found = sentence(250_000.0, 375_000.0, 500_000.0)
    assert found.startswith("Two are 1.50 times one; 1.6 times was asked for: not reached.")
    assert "allow 500,000 events/s at this cost of an event, 2.00 times one worker" in found
    assert found.endswith("two workers used 75% of that.")
    assert "asked for: reached" in sentence(250_000.0, 400_000.0, 500_000.0)
