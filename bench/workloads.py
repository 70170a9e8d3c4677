"""What the benchmarks run, as data: which views, on which events, how many, and the figure that was asked for.

A line here is a line of the report. `target` is events a second; `against` names the workload that this one is a
variant of, and `within` how much of its rate it may lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.topics import Shape


@dataclass(frozen=True)
class Workload:
    """`views` names an entry of `bench.projects.VIEWS`; `settings` are variables of the worker."""

    name: str
    title: str
    views: str = "w1"
    shape: Shape = field(default_factory=Shape)
    events: int = 4_000_000
    settings: Mapping[str, str] = field(default_factory=dict)
    target: float | None = None
    against: str = ""
    within: float = 0.0


def _variant(name: str, title: str, shape: Shape, within: float = 0.15) -> Workload:
    return Workload(name, f"W1, {title}", shape=shape, against="w1", within=within)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("w1", "W1: 60 s tumbling, 4 aggregates, Zipf 1.0", target=300_000),
        Workload("w1-uniform", "W1, uniform keys", shape=Shape(skew="uniform"), target=140_000),
        Workload("w1-hot", "W1, nine of ten events of one user", shape=Shape(skew="hot")),
        Workload("w2", "W2: rolling 1 h in steps of 1 min, 4 aggregates", views="w2", target=250_000),
        Workload(
            "w1x3",
            "W1 with an expression, three windows to 24 h, 12 features",
            views="w1x3",
            events=2_000_000,
        ),
        Workload(
            "w3",
            "W3: three views, one shuffled; where, 6 expressions, 20 features over 5 windows to 30 d",
            views="w3",
            events=1_000_000,
            target=80_000,
        ),
        _variant("w1-lz4", "lz4", Shape(compression="lz4")),
        _variant("w1-zstd", "zstd", Shape(compression="zstd")),
        _variant("w1-snappy", "snappy", Shape(compression="snappy")),
        _variant("w1-gzip", "gzip", Shape(compression="gzip"), within=0.25),
        _variant("w1-null-keys", "null keys", Shape(keyed=False)),
        _variant("w1-headers", "two headers an event", Shape(headers=2)),
        _variant("w1-two-schemas", "framed, two writer schemas in turn", Shape(framing="two schemas")),
        Workload(
            "w1-poison",
            "W1, one record in a hundred broken, dead-lettered",
            shape=Shape(poison=100),
            target=150_000,
        ),
        Workload("w1-json", "W1 as JSON", shape=Shape(framing="json"), target=100_000),
    )
}
