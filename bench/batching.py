"""Record batches of a flush: microseconds to build those of one partition, and of several together.

    python bench/batching.py

Keys of 20 bytes and values of 80, as a changelog has them. Wall time, median of 200. Needs no broker.
"""

from __future__ import annotations

import os
import statistics
import time

from headrace.wire.batching import Part, build, encoded_headers

SHAPES = ((1, 100), (8, 25), (8, 2_500))
"""Partitions, and records of each."""


def main() -> None:
    """Run and print."""
    print("| partitions | records of each | us |", "|---|---|---|", sep="\n")
    none = [encoded_headers(())]
    for partitions, n in SHAPES:
        keys, values = ([os.urandom(size) for _ in range(n)] for size in (20, 80))
        parts = [Part(keys, values, none)] * partitions
        took = []
        for _ in range(200):
            begun = time.perf_counter()
            build(parts, 900_000)
            took.append(time.perf_counter() - begun)
        print(f"| {partitions} | {n:,} | {1e6 * statistics.median(took):,.0f} |")


if __name__ == "__main__":
    main()
