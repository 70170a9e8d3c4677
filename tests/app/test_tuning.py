"""What a worker's process settles before anything is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
from app.tuning import tune
tune(1)
from polars import _dependencies
print(type(_dependencies.numpy).__name__)
"""
SETTINGS = """
import os
from app.tuning import tune
tune(1)
import polars
print(os.environ["_RJEM_MALLOC_CONF"])
"""


def test_polars_finds_numpy_loaded_so_that_threads_do_not_race_for_its_proxy() -> None:
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "module"


def test_polars_allocator_is_told_to_give_pages_back_unless_it_is_told_otherwise() -> None:
    bare = {k: v for k, v in os.environ.items() if k != "_RJEM_MALLOC_CONF"}
    for outside, last in (({}, ",muzzy_decay_ms:0"), ({"_RJEM_MALLOC_CONF": "narenas:1"}, ",narenas:1")):
        told = subprocess.run(
            [sys.executable, "-c", SETTINGS],
            env={**bare, **outside},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip().endswith(last)
