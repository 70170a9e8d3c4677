"""Run the benchmarks, write docs/performance.md and JSON beside it.

    python -m bench [--only peers w1 w1-lz4 ...] [--runs 3] [--more] [--scale 1.0] [--engines ...]

Components are those of `make stack` if it is up, else started here. The engine that is measured is pinned to the first
core; broker, Redis and this process to the second.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from bench import (
    aggregates,
    backlog,
    costs,
    falling,
    freshness,
    memory,
    reports,
    restore,
    throughput,
    training,
    two_workers,
)
from bench.compare import ENGINES, compare, table
from bench.machine import Machine, ground
from bench.measuring import Spread
from bench.peers.engine import W1, W2, Task
from bench.workloads import WORKLOADS
from tests.stack.whole import Addresses

Result = tuple[list[str], object]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[*sections(), *WORKLOADS], default=sections())
    parser.add_argument(
        "--engines", nargs="*", choices=[e.name for e in ENGINES], default=[e.name for e in ENGINES]
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each engine or workload")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of events")
    parser.add_argument(
        "--more", action="store_true", help="add runs to those of peers and workloads that the report has"
    )
    parser.add_argument("--no-write", action="store_true", help="print the tables, leave the page alone")
    given = parser.parse_args()
    given.workloads = [w for w in WORKLOADS if w in given.only] or list(WORKLOADS)
    chosen = [s for s in sections() if s in given.only]
    if "workloads" not in chosen and any(w in WORKLOADS for w in given.only):
        chosen.append("workloads")
    command = " ".join(["python -m bench", *sys.argv[1:]])
    failed = []
    for section in chosen:
        machine = Machine.here()
        try:
            lines, data = _run(section, given)
        except (RuntimeError, OSError, ValueError, AssertionError) as error:
            print(f"{section}: no figures: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            failed.append(section)
            continue
        print(f"\n{section}\n", *lines, sep="\n", flush=True)
        if not given.no_write:
            reports.write(section, command, machine, lines, data)
    return 1 if failed else 0


def _run(section: str, given: argparse.Namespace) -> Result:
    if section in ALONE:
        return ALONE[section](given)
    with ground(pinned=section not in ("memory", "memory-full", "two-workers")) as addresses:
        return SECTIONS[section](addresses, given)


def _peers(task: Task) -> Callable[[Addresses, argparse.Namespace], Result]:
    def section(addresses: Addresses, given: argparse.Namespace) -> Result:
        engines = [e() for e in ENGINES if e.name in given.engines]
        before = (reports.earlier(f"peers-{task.name}") or []) if given.more else []
        entries = compare(addresses, task, engines, given.runs, given.scale, before)
        return [*table(entries), "", *(f"- {e.engine.name}: {e.version}" for e in entries if e.version)], [
            e.data() for e in entries
        ]

    return section


def _workloads(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = throughput.run(addresses, [WORKLOADS[n] for n in given.workloads], given.runs, given.scale)
    if given.more:
        found = throughput.together(reports.earlier("workloads") or [], found)
    return throughput.table(found), [r.data() for r in found]


def _freshness(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = freshness.run(addresses, max(60.0 * given.scale, 12.0))
    return [*freshness.HEAD, *(f.line for f in found)], [f.data() for f in found]


def _falling(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = falling.run(addresses, int(1_000_000 * given.scale))
    return [*falling.HEAD, falling.line(found)], vars(found)


def _backlog(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = [(b, backlog.run(addresses, b, given.scale)) for b in (backlog.LONG, backlog.LARGE)]
    return [*backlog.HEAD, *(backlog.line(b, w) for b, w in found)], [
        {"title": b.title, **vars(w)} for b, w in found
    ]


def _memory(addresses: Addresses, given: argparse.Namespace) -> Result:
    entities = int(1_000_000 * given.scale)
    found = memory.run(addresses, entities)
    return [*memory.HEAD, memory.line(found)], vars(found)


def _memory_full(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = memory.full(addresses, int(1_000_000 * given.scale))
    return [*memory.HEAD, memory.line(found)], vars(found)


def _restore(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = [restore.run(addresses, windows, count) for windows, count in ((1, 12), (1, 60), (3, 12))]
    found.append(restore.full(addresses, int(restore.ENTITIES * given.scale)))
    return [*restore.HEAD, *(r.line for r in found)], [vars(r) for r in found]


def _costs(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = {
        "help": costs.help_seconds(),
        "ready": costs.ready_seconds(addresses),
        "load": costs.load_seconds(),
    }
    idle = costs.idle_share(addresses)
    names = {
        "help": "`headrace --help`, s",
        "ready": "worker started to first value in Redis, s",
        "load": "`hr.load` of 200 views, s",
    }
    rows = [f"| {names[n]} | {s.text(form='.2f')} | {costs.LIMITS[n]:g} |" for n, s in found.items()]
    rows.append(f"| an idle worker, share of a core | {idle:.3f} | {costs.LIMITS['idle']:g} |")
    data = {n: vars(s) for n, s in found.items()} | {"idle": idle}
    return ["| what | median (least-greatest) | asked for |", "|---|---|---|", *rows], data


def _two_workers(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = two_workers.run(addresses, max(int(4_000_000 * given.scale), 1_500_000), given.runs)
    return two_workers.table(found), [vars(r) for r in found]


def _history(addresses: Addresses, given: argparse.Namespace) -> Result:
    found = [costs.history_rate(addresses, int(6_000_000 * given.scale)) for _ in range(given.runs)]
    wall, cpu = Spread.of(r.wall for r in found), Spread.of(r.cpu for r in found)
    rss = Spread.of(r.rss for r in found).median
    head = ["| to Parquet (zstd), local disk | events/s | events/CPU-s | peak MB |", "|---|---|---|---|"]
    return [*head, f"| `headrace history` | {wall.text()} | {cpu.text()} | {rss:,.0f} |"], [
        vars(r) for r in found
    ]


def _aggregates(given: argparse.Namespace) -> Result:
    found = aggregates.run(max(int(12 * given.scale), 2))
    return aggregates.table(found), found


def _training(given: argparse.Namespace) -> Result:
    found = training.section(int(5_000_000 * given.scale))
    return [*training.HEAD, *(m.line for m in found)], [vars(m) for m in found]


ALONE: dict[str, Callable[[argparse.Namespace], Result]] = {
    "aggregates": _aggregates,
    "training": _training,
}
"""Sections that need no component."""

SECTIONS: dict[str, Callable[[Addresses, argparse.Namespace], Result]] = {
    "peers-w1": _peers(W1),
    "peers-w2": _peers(W2),
    "workloads": _workloads,
    "history": _history,
    "two-workers": _two_workers,
    "freshness": _freshness,
    "falling": _falling,
    "backlog": _backlog,
    "memory": _memory,
    "memory-full": _memory_full,
    "restore": _restore,
    "costs": _costs,
}


def sections() -> Sequence[str]:
    """The names of what can be run."""
    return [*SECTIONS, *ALONE]


if __name__ == "__main__":
    sys.exit(main())
