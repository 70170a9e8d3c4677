"""A report of workloads may be made in several goes."""

from __future__ import annotations

from bench.measuring import Rate
from bench.throughput import Runs, together
from bench.workloads import WORKLOADS


def runs(name: str, source: str, *walls: float) -> Runs:
    return Runs(WORKLOADS[name], source, [Rate(1_000, w, 2.0, 1.0, 300.0) for w in walls], [0.5] * len(walls))


def walls(found: list[Runs]) -> dict[str, list[float]]:
    return {r.workload.name: [x.wall for x in r.rates] for r in found}


def test_a_workload_that_is_not_run_keeps_the_runs_it_has() -> None:
    earlier = [runs("w2", "a", 1.0).data()]
    assert walls(together(earlier, [runs("w1", "b", 2.0)])) == {"w1": [2.0], "w2": [1.0]}


def test_runs_of_one_source_count_together_and_those_of_another_go() -> None:
    earlier = [runs("w1", "a", 1.0).data(), runs("w2", "a", 1.0).data()]
    now = [runs("w1", "a", 2.0), runs("w2", "b", 2.0)]
    assert walls(together(earlier, now)) == {"w1": [1.0, 2.0], "w2": [2.0]}


def test_what_a_report_keeps_is_what_was_run() -> None:
    found = runs("w1", "a", 1.0, 2.0)
    assert Runs.of(found.data()) == found
