"""The ground that benchmarks stand on: the real components, pinned apart from the engine, and what the machine is."""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.measuring import pin
from tests.stack.whole import Addresses, Stack, running

ENGINE, OTHERS = 0, 1
"""The core of the engine that is measured, and the one of broker, Redis and harness."""


@dataclass(frozen=True)
class Machine:
    """What a figure depends on: read once, at the start of a run. `load` is the load average over a minute."""

    cores: int
    cpu: str
    memory_gb: float
    kernel: str
    python: str
    load: float

    @classmethod
    def here(cls) -> Machine:
        """This machine now."""
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [x.split(":")[1].strip() for x in lines if x.startswith("model name")]
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            os.cpu_count() or 1,
            names[0] if names else platform.processor(),
            round(pages / 2**30, 1),
            platform.release(),
            platform.python_version(),
            os.getloadavg()[0],
        )

    def data(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


@contextmanager
def ground(*, pinned: bool = True) -> Iterator[Addresses]:
    """Kafka, Redis and registry: those of `make stack` if they are up, else started and stopped here.

    Pinned, they share core OTHERS with this process; afterwards all may run anywhere again.
    """
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # engines are in sessions of their own: end them as well
    found = running()
    if found is not None:
        pids = [p.pid for p in found[1]]
        with _pinned(pids if pinned else []):
            yield found[0]
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder)) as stack,
        _pinned([p.pid for p in stack.processes()] if pinned else []),
    ):
        yield stack.addresses


@contextmanager
def _pinned(pids: list[int]) -> Iterator[None]:
    every = [*pids, os.getpid()] if pids else []
    before = os.sched_getaffinity(0)
    for pid in every:
        pin(pid, {OTHERS} if (os.cpu_count() or 1) > 1 else before)
    try:
        yield
    finally:
        for pid in every:
            if Path(f"/proc/{pid}").exists():
                pin(pid, before)
