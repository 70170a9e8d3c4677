"""Events a second of one worker pinned to one core, real Kafka and Redis on the other, transactions and fence on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import projects
from bench.events import Skew, fill
from bench.process import Sample, Worker
from tests.stack.whole import Addresses

FROM, TO = 0.4, 0.97  # of the events: start-up and the tail are left out, as for the peers


@dataclass(frozen=True)
class Rate:
    """Steady rates of one run: events a second of wall time, and of the worker's CPU time; peak resident MB."""

    workload: str
    events: int
    wall: float
    cpu: float
    rss: float


def steady(workload: str, n: int, samples: Sequence[Sample]) -> Rate:
    """The rate between FROM and TO of `n` events."""
    inside = [s for s in samples if FROM * n <= s.events <= TO * n]
    if len(inside) < 2:
        raise RuntimeError(f"{workload}: too few samples for a steady rate; take more events")
    a, b = inside[0], inside[-1]
    return Rate(
        workload,
        n,
        (b.events - a.events) / (b.wall - a.wall),
        (b.events - a.events) / max(b.cpu - a.cpu, 1e-9),
        max(s.rss for s in samples),
    )


def environment(addresses: Addresses, **more: str) -> dict[str, str]:
    """The variables that point a worker at the stack."""
    return {
        "HEADRACE_KAFKA__BOOTSTRAP": addresses.kafka,
        "HEADRACE_REDIS__URL": addresses.redis_url,
        "HEADRACE_ENGINE__CLOCK": "event",
        **more,
    }


def run(
    addresses: Addresses,
    workload: str,
    n: int,
    *,
    users: int = 100_000,
    skew: Skew = "zipf",
    poison: int = 0,
    core: int | None = 0,
) -> Rate:
    """Fill a topic, run a worker through it, and say how fast it went. `skew`, `poison`: see `bench.events`."""
    unique = f"bench{int(time.time() * 1000)}"
    fill(addresses.kafka, unique, n, users, skew=skew, poison=poison)
    with tempfile.TemporaryDirectory() as folder:
        config = projects.write(Path(folder), workload, unique, unique)
        samples: list[Sample] = []
        with Worker(config, environment(addresses), core=core) as worker:
            good = n - (-(-n // poison) if poison else 0)
            while not samples or samples[-1].events < good:
                time.sleep(0.05)
                sample = worker.sample()
                if sample is not None:
                    samples.append(sample)
    name = workload + (f" {skew}" if skew != "zipf" else "") + (f" 1/{poison} poison" if poison else "")
    return steady(name, n, samples)
