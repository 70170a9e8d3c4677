"""What the freshness section says of the targets it was given."""

from __future__ import annotations

import pytest

from bench.freshness import RATES, Freshness, reached


@pytest.mark.parametrize(
    ("p50", "p99", "said"),
    [
        (90.0, 160.0, "reached"),
        (90.1, 160.0, "p50 not reached"),
        (90.0, 160.1, "p99 not reached"),
        (91.0, 161.0, "p50 and p99 not reached"),
    ],
)
def test_a_row_says_which_target_was_missed(p50: float, p99: float, said: str) -> None:
    found = Freshness(RATES[1], 6_000, p50, p99, 200.0, 3.0, 0.5, 0.01)
    assert reached(found) == said
    assert found.line.endswith(f"| 90 and 160: {said} |")
