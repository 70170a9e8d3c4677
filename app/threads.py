"""How many threads columns are computed with; Polars asks once, when it is loaded."""

from __future__ import annotations

import os


def limit_threads(threads: int) -> None:
    """Tell Polars; it has no effect where Polars is loaded already (a verb called from another program)."""
    os.putenv("POLARS_MAX_THREADS", str(threads))
