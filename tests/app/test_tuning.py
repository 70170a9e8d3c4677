"""What a worker's process settles before anything is loaded."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from app.tuning import tune
tune(1)
from polars import _dependencies
print(type(_dependencies.numpy).__name__)
"""


def test_polars_finds_numpy_loaded_so_that_threads_do_not_race_for_its_proxy() -> None:
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "module"
