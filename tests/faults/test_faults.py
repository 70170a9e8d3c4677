"""One variant of each row of the table, another with each commit: every promise holds.

`make faults` plays all of them, with as many seeds as wanted.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.faults.families import FAULTS
from tests.faults.fault import FAMILIES, Fault
from tests.faults.play import play
from tests.stack.cache import CHECKOUT
from tests.stack.whole import Addresses

pytestmark = pytest.mark.integration


def _head() -> int:
    """The commit as a number; 0 outside of a checkout."""
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return int(told.stdout.strip() or "0", 16) if told.returncode == 0 else 0


def _drawn(commit: int) -> list[Fault]:
    """A variant of each row."""
    out = []
    for number, family in enumerate(FAMILIES):
        variants = [f for f in FAULTS if f.family == family and f.ci and f.pending is None]
        out.append(variants[(commit >> 8 * number) % len(variants)])
    return out


@pytest.mark.parametrize("fault", _drawn(_head()), ids=lambda fault: fault.id)
def test_a_fault_of_each_row_breaks_no_promise(stack: Addresses, tmp_path: Path, fault: Fault) -> None:
    seed = _head() % 1_000
    result = play(fault, seed, stack, keep=tmp_path)
    assert result.ok, f"seed {seed}, logs in {tmp_path}\n" + "\n".join(result.problems)
    assert result.features > 200
    assert (result.lost, result.twice, result.wrong) == (0, 0, 0)
