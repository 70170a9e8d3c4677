"""A process that gives way has the lowest priority, unless somebody gave it another."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from headrace.offline.giving_way import NICE

PROGRAM = """
import os
from headrace.offline.giving_way import give_way
os.nice({before})
give_way()
print(os.nice(0))
"""


@pytest.mark.parametrize("before", [0, 5])
def test_a_process_that_gives_way_is_the_last_that_is_asked(before: int) -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)], capture_output=True, text=True, check=True
    )
    given = os.nice(0) + before  # children inherit what this process has
    assert int(said.stdout) == (NICE if given <= 0 else min(given, NICE))
