"""One training set in a process of its own: wall and CPU seconds, peak memory, printed as one line of JSON.

python -m bench.training_run CONFIG SPINE.parquet OUT.parquet [--features spend]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from pathlib import Path

import headrace as hr


def peak_mb() -> float:
    """The most that this process had resident, in MB; of its own memory, not of who started it."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("config")
    given.add_argument("spine")
    given.add_argument("out")
    given.add_argument("--features", default="spend")
    asked = given.parse_args()
    store = hr.FeatureStore(config=asked.config)
    before, begin = os.times(), time.perf_counter()
    made = store.training_set(asked.spine, asked.features)
    made.write_parquet(asked.out)
    wall, after = time.perf_counter() - begin, os.times()
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak_mb(), "rows": len(made)}))


if __name__ == "__main__":
    main()
