"""A process that gives way has the lowest priority, unless somebody gave it another."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
from headrace.offline.giving_way import give_way
os.nice({before})
give_way()
print(os.nice(0))
"""


@pytest.mark.skipif(os.nice(0) != 0, reason="this process has another priority, and children inherit it")
@pytest.mark.parametrize(("before", "after"), [(0, 19), (5, 5)])
def test_a_process_that_gives_way_is_the_last_that_is_asked(before: int, after: int) -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)], capture_output=True, text=True, check=True
    )
    assert int(said.stdout) == after
