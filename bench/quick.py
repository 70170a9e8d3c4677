"""`make bench-quick`: has W1 become slower? Under ten minutes, against yardsticks of the same run.

    python -m bench.quick [--store] [--runs 3]

A machine's speed changes from hour to hour, so what is compared is a ratio: Headrace's events a CPU-second to those of
the slowest yardstick that is steady. `--store` keeps today's ratios in bench/reports/quick.json; without it, a ratio
more than a fifth below the stored one is a warning and ends with 1. It is no part of CI's verdict.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import reports
from bench.compare import compare, table
from bench.machine import Machine, ground
from bench.measuring import Spread
from bench.peers.engine import W1
from bench.peers.headrace import Headrace
from bench.peers.kafka_streams import KafkaStreams
from bench.peers.python import Bytewax, Faust, Quix

FALL = 0.2
STEADY = 0.15
"""A yardstick whose runs spread by more than this share of their median is none."""
SCALE = 0.5


@dataclass(frozen=True)
class Verdict:
    """`ratio` to `yardstick`, beside the `stored` one if there is one."""

    yardstick: str
    ratio: float
    stored: float | None

    @property
    def fell(self) -> bool:
        """Whether it is more than FALL below what is stored."""
        return self.stored is not None and self.ratio < (1 - FALL) * self.stored

    def sentence(self) -> str:
        """For people."""
        now = f"W1 is {self.ratio:.1f} times {self.yardstick} (events a CPU-second)"
        if self.stored is None:
            return f"{now}; no ratio is stored: `python -m bench.quick --store` keeps this one."
        change = self.ratio / self.stored - 1
        word = f"WARNING: it fell by more than {FALL:.0%}" if self.fell else "as it should be"
        return f"{now}, {change:+.0%} against the {self.stored:.1f} that are stored: {word}."


def verdict(
    ours: float, yardsticks: Mapping[str, Sequence[float]], stored: Mapping[str, float]
) -> Verdict | None:
    """Of our rate and the yardsticks' rates, run by run; None if no yardstick is steady.

    Among those that are steady, one whose ratio is stored goes before one without, then the slowest.
    """
    spreads = {name: Spread.of(rates) for name, rates in yardsticks.items() if rates}
    steady = {n: s.median for n, s in spreads.items() if (s.high - s.low) <= STEADY * s.median}
    if not steady:
        return None
    slowest = min(steady, key=lambda n: (n not in stored, steady[n]))
    return Verdict(slowest, ours / steady[slowest], stored.get(slowest))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=__doc__)
    parser.add_argument("--store", action="store_true", help="keep today's ratios as what W1 is held to")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    machine = Machine.here()
    with ground() as addresses:
        engines = [Headrace(), KafkaStreams(), Quix(), Faust(), Bytewax()]
        entries = compare(addresses, W1, engines, given.runs, SCALE)
    ours, *others = ([r.cpu for r in e.rates] for e in entries)
    if not ours:
        print(f"bench-quick: Headrace has no rate: {entries[0].problem}", file=sys.stderr)
        return 1
    yardsticks = {e.engine.name: rates for e, rates in zip(entries[1:], others, strict=True) if rates}
    middle = Spread.of(ours).median
    if not yardsticks:
        print(
            "bench-quick: no yardstick has run, so nothing can be said; what is stored stays", file=sys.stderr
        )
        return 1
    if given.store:
        ratios = {name: middle / Spread.of(rates).median for name, rates in yardsticks.items()}
        lines = [*table(entries), "", kept(ratios)]
        command = " ".join(["python -m bench.quick", *sys.argv[1:]])
        reports.write("quick", command, machine, lines, {"ratios": ratios})
        print("\n".join(lines))
        return 0
    found = verdict(middle, yardsticks, _stored())
    said = found.sentence() if found else "No yardstick was steady: nothing can be said."
    print("\n".join([*table(entries), "", said]))
    return 1 if found and found.fell else 0


def kept(ratios: Mapping[str, float]) -> str:
    """For people: what W1 is held to from now on."""
    each = ", ".join(f"{ratio:.1f} times {name}" for name, ratio in ratios.items())
    return f"W1 is held to what it was in this run, in events a CPU-second: {each}."


def _stored() -> dict[str, float]:
    path = reports.REPORTS / "quick.json"
    return dict(json.loads(path.read_text())["data"]["ratios"]) if path.exists() else {}


if __name__ == "__main__":
    sys.exit(main())
