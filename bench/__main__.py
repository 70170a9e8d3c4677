"""Run the benchmarks and write the report.

    python -m bench [--events 2000000] [--only w1 w1x3 ...] [--out bench/reports/latest.md]

Components are those of `make stack` if it is up, else started here; the broker is pinned to the second core
while a worker is measured on the first.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bench import aggregates, freshness, memory, restore, throughput, training
from bench.events import Skew
from tests.stack.whole import Addresses, Stack, running

OUT = Path(__file__).parent / "reports" / "latest.md"
VERSIONS = ("polars", "pyarrow", "numpy", "numba", "faust-streaming", "aiokafka", "rocksdict", "deltalake")
WORKLOADS = (
    "w1",
    "w1-uniform",
    "w1-hot",
    "w1-poison",
    "w1x3",
    "w2",
    "freshness",
    "memory",
    "restore",
    "aggregates",
    "training",
)

console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="events of each throughput run")
    parser.add_argument("--entities", type=int, default=1_000_000, help="entities of the memory run")
    parser.add_argument("--only", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    found = running()
    if given.only == ["aggregates"]:  # needs no component
        report = "\n".join([*aggregates.HEAD[1:], *aggregates.run()]) + "\n"
    elif given.only == ["training"]:  # nor does this
        report = "\n".join(training.section()[1:]) + "\n"
    elif found is not None:
        report = _all(found[0], [p.pid for p in found[1] if p.name == "kafka"], given)
    else:
        with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
            report = _all(stack.addresses, [p.pid for p in stack.processes() if p.name == "kafka"], given)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(report)
    print(report)


def _all(addresses: Addresses, brokers: Sequence[int], given: argparse.Namespace) -> str:
    for pid in brokers:
        _pin(pid, {1})
    try:
        lines = [*_head(given.events)]
        for name in given.only:
            console.print(f"[bold]{name}[/bold]")
            lines += _SECTIONS[name](addresses, given)
        return "\n".join(lines) + "\n"
    finally:
        for pid in brokers:
            _pin(pid, set(range(os.cpu_count() or 1)))


def _pin(pid: int, cores: set[int]) -> None:
    """All threads of a process to `cores`."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _rate(
    workload: str, *, skew: Skew = "zipf", poison: int = 0
) -> Callable[[Addresses, argparse.Namespace], list[str]]:
    def section(addresses: Addresses, given: argparse.Namespace) -> list[str]:
        r = throughput.run(addresses, workload, given.events, skew=skew, poison=poison)
        return [
            f"| {r.workload} | {r.wall:,.0f} | {r.cpu:,.0f} | {r.rss:,.0f} |",
        ]

    return section


def _freshness(addresses: Addresses, given: argparse.Namespace) -> list[str]:
    out = [
        "",
        "| offered, events/s | probes | p50 ms | p99 ms | worst ms | worker cores |",
        "|---|---|---|---|---|---|",
    ]
    for rate in (2_000, 5_000):
        f = freshness.run(addresses, rate, 20.0)
        out.append(f"| {f.rate:,} | {f.probes} | {f.p50:.0f} | {f.p99:.0f} | {f.worst:.0f} | {f.cores:.2f} |")
    return out


def _memory(addresses: Addresses, given: argparse.Namespace) -> list[str]:
    m = memory.run(addresses, 2 * given.entities, given.entities)
    return [
        "",
        "| entities | peak MB | settled MB | state on disk MB | records/entity | bytes/entity |",
        "|---|---|---|---|---|---|",
        f"| {m.entities:,} | {m.peak:,.0f} | {m.settled:,.0f} | {m.disk:,.0f} | {m.records:.2f} | {m.nbytes:.0f} |",
    ]


def _restore(addresses: Addresses, given: argparse.Namespace) -> list[str]:
    return [*restore.HEAD, *(restore.run(addresses, windows).line for windows in (1, 3))]


_SECTIONS: dict[str, Callable[[Addresses, argparse.Namespace], list[str]]] = {
    "w1": _rate("w1"),
    "w1-uniform": _rate("w1", skew="uniform"),
    "w1-hot": _rate("w1", skew="hot"),
    "w1-poison": _rate("w1", poison=100),
    "w1x3": _rate("w1x3"),
    "w2": _rate("w2"),
    "freshness": _freshness,
    "memory": _memory,
    "restore": _restore,
    "aggregates": lambda addresses, given: [*aggregates.HEAD, *aggregates.run()],
    "training": lambda addresses, given: training.section(),
}


def _head(events: int) -> list[str]:
    cpu = next(
        (
            x.split(":")[1].strip()
            for x in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in x
        ),
        platform.processor(),
    )
    versions = ", ".join(f"{n} {version(n)}" for n in VERSIONS)
    return [
        "# Benchmark report",
        "",
        f"`python -m bench --events {events}` on {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}, "
        f"{versions}; Kafka 4.1.1, one broker, Valkey. Worker pinned to core 0, broker to core 1. Transactions, fence "
        'in Redis and dead letters on; `engine.clock = "event"`. Rates count from 40 % to 97 % of the events.',
        "",
        "Workloads: w1 = tumbling 60 s, four aggregates; w1x3 = one view with an expression and three windows (60 s, "
        "1 h, 24 h), twelve features; w2 = rolling 1 h in steps of 1 min. 100,000 users, Zipf 1.0 unless said; "
        "hot: nine of ten events are of one user.",
        "",
        "| workload | events/s wall | events/CPU-s | peak RSS MB |",
        "|---|---|---|---|",
    ]


if __name__ == "__main__":
    main()
