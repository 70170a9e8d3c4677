"""`make profile`: where a worker's time goes: a flame graph, and microseconds an event by stage of a flush.

    python -m bench.profile [--workload w1x3] [--events 3000000]

The stages are the worker's own metric `headrace_stage_seconds` (wall time); `compute` of a flush runs beside the input
and output of the one before it, so stages may add up to more than the whole. The flame graph is py-spy's, of a second
run: Python frames by thread, without the start. py-spy lives in an environment of its own in the cache.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from bench import reports
from bench.machine import OTHERS, Machine, ground
from bench.measuring import cpu_of
from bench.peers.engine import Job, Task
from bench.peers.headrace import Headrace, WorkerRun, folder, wait
from bench.peers.installing import environment
from bench.process import metric
from bench.topics import fill, good
from bench.workloads import WORKLOADS, Workload
from tests.stack.install import MissingError
from tests.stack.whole import Addresses

FLAMES = reports.ROOT / "docs" / "plots"
PY_SPY = "py-spy==0.4.1"


def stages(text: str) -> dict[str, tuple[float, int]]:
    """Seconds and count of each stage, from a worker's metrics."""
    found = re.findall(r'^headrace_stage_seconds_(sum|count)\{stage="(\w+)"\} (\S+)$', text, re.M)
    values = {(stage, kind): float(value) for kind, stage, value in found}
    return {
        stage: (values[stage, "sum"], int(values[stage, "count"])) for stage, kind in values if kind == "sum"
    }


def table(text: str, cpu: float) -> list[str]:
    """Microseconds an event by stage, the dearest first, and the CPU time of all."""
    events = metric(text, "headrace_events_total")
    found = sorted(stages(text).items(), key=lambda x: -x[1][0])
    rows = [f"| {s} | {1e6 * t / events:.2f} | {1e3 * t / max(n, 1):.1f} | {n:,} |" for s, (t, n) in found]
    flushes = metric(text, "headrace_flushes_total")
    whole = f"{1e6 * cpu / events:.2f} | {1e3 * cpu / flushes:.1f} | {flushes:,.0f}"
    return [
        "| stage | us/event | ms each time | times |",
        "|---|---|---|---|",
        *rows,
        f"| CPU of the process, all threads, without its start | {whole} |",
    ]


def run(addresses: Addresses, w: Workload, n: int, flames: Path | None) -> list[str]:
    """Measure once without and, if `flames` is given, once more under py-spy, which writes there."""
    assert addresses.kafka is not None
    topic = f"profile_{time.time_ns()}"
    fill(addresses.kafka, topic, n, w.shape, addresses.registry_url)
    text, cpu = _worker(addresses, w, topic, good(w.shape, n), None)
    if flames is not None:
        _worker(addresses, w, f"{topic}", good(w.shape, n), flames)
    return table(text, cpu)


def _worker(addresses: Addresses, w: Workload, topic: str, n: int, flames: Path | None) -> tuple[str, float]:
    with folder() as place:
        running = Headrace(w.views, w.shape, w.settings).start(
            Job(addresses, topic, Task(w.name, 60, 60), n, Path(place))
        )
        assert isinstance(running, WorkerRun)
        spy: subprocess.Popen[bytes] | None = None
        try:
            wait(running, 1)
            begun = cpu_of(running.process.pid)
            if flames is not None:
                spy = _spy(running.process.pid, flames)
            wait(running, n)
            text = running.process.metrics() or ""
            return text, cpu_of(running.process.pid) - begun
        finally:
            running.stop()
            if spy is not None:
                spy.wait(60)


def _spy(pid: int, flames: Path) -> subprocess.Popen[bytes]:
    flames.parent.mkdir(parents=True, exist_ok=True)
    binary = environment("py-spy", PY_SPY).with_name("py-spy")
    command = [
        str(binary),
        "record",
        "--pid",
        str(pid),
        "--output",
        str(flames),
        "--rate",
        "100",
        "--threads",
    ]
    return subprocess.Popen(["taskset", "-c", str(OTHERS), *command], stdin=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--workload", choices=list(WORKLOADS), default="w1x3")
    parser.add_argument("--events", type=int, default=3_000_000)
    given = parser.parse_args()
    machine = Machine.here()
    flames: Path | None = FLAMES / f"flames-{given.workload}.svg"
    try:
        environment("py-spy", PY_SPY)
    except MissingError as error:
        print(f"profile: no flame graph: {error}", file=sys.stderr)
        flames = None
    with ground() as addresses:
        lines = run(addresses, WORKLOADS[given.workload], given.events, flames)
    print("\n".join(lines))
    if flames is not None and flames.exists():
        title = f"{given.workload}, {given.events:,} events"  # py-spy's own is its command, with this machine's paths
        flames.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\g<1>{title}", flames.read_text()))
        lines += ["", f"[Flame graph](plots/{flames.name})"]
    command = f"python -m bench.profile --workload {given.workload} --events {given.events}"
    reports.write("profile", command, machine, lines, {"rows": lines})
    return 0


if __name__ == "__main__":
    sys.exit(main())
