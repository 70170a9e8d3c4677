"""Headrace and its peers on one topic: answers checked first, then every engine in turn, several times over.

    python -m bench.compare [--task w1] [--engines headrace kafka-streams ...] [--runs 3] [--scale 1.0]

An engine whose answers are wrong is not timed; one that cannot be installed is said aloud in the report.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.events import Columns, columns
from bench.measuring import Rate, Spread, TooShortError
from bench.peers import checking
from bench.peers.engine import SHOWN, Engine, EngineError, Job, Task
from bench.peers.flink import Flink, FlinkMiniBatch
from bench.peers.headrace import Headrace, WorkerRun, expected, folder, wait, wrong_users
from bench.peers.kafka_streams import KafkaStreams
from bench.peers.python import Bytewax, Faust, Quix
from bench.peers.running import complete, shown, timed
from bench.topics import Shape, fill
from tests.stack.install import MissingError
from tests.stack.whole import Addresses

ENGINES: tuple[type[Engine], ...] = (Headrace, KafkaStreams, Flink, FlinkMiniBatch, Quix, Faust, Bytewax)
CHECKED = 90_000  # events of the topic that answers are checked on: they end in the midst of a minute
USERS = 100_000


@dataclass
class Entry:
    """What one engine did on a task."""

    engine: Engine
    version: str = ""
    checked: str = ""
    problem: str = ""
    rates: list[Rate] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def earlier(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Put the runs of an earlier report before these, if it has any of this engine in this version."""
        for found in data:
            if (found["engine"], found["version"]) == (self.engine.name, self.version):
                self.checked = str(found["checked"])
                runs = [dict(run) for run in found["runs"]]
                self.loads[:0] = [run.pop("load") for run in runs]
                self.rates[:0] = [Rate(**run) for run in runs]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Entry:
        """That of an earlier report."""
        engine = next(e for e in ENGINES if e.name == data["engine"])
        entry = cls(engine(), version=data["version"], problem=data["problem"])
        entry.earlier([data])
        return entry

    def data(self) -> dict[str, object]:
        """For JSON."""
        return {
            "engine": self.engine.name,
            "title": self.engine.title,
            "emits": self.engine.emits,
            "version": self.version,
            "checked": self.checked,
            "problem": self.problem,
            "runs": [vars(r) | {"load": load} for r, load in zip(self.rates, self.loads, strict=True)],
        }


def compare(
    addresses: Addresses,
    task: Task,
    engines: Sequence[Engine],
    runs: int,
    scale: float = 1.0,
    before: Sequence[Mapping[str, Any]] = (),
) -> list[Entry]:
    """Every engine that does the task, in the order given. `scale` shortens the runs.

    `before`: the data of an earlier report, whose runs count with these, engine by engine where the versions are the
    same; answers that were right there are not asked for again. Engines of it that are not run now stay as they are.
    """
    entries = [Entry(e) for e in engines if task.name in e.tasks]
    kept = [Entry.of(data) for data in before if data["engine"] not in {e.engine.name for e in entries}]
    for entry in entries:
        _say(f"{task.name}: {entry.engine.name}: install and check")
        try:
            entry.version = entry.engine.install()
        except (MissingError, EngineError) as error:
            entry.problem = f"not installed: {error}"
            _say(entry.problem)
    for entry in entries:
        entry.earlier(before)
    _check(addresses, task, [e for e in entries if not e.problem and not e.checked])
    ready = [e for e in entries if not e.problem]
    n = max((int(scale * e.engine.events(task)) for e in ready), default=0)
    topic = f"{task.name}_{time.time_ns()}"
    if n:
        fill(_kafka(addresses), topic, n, Shape(users=USERS))
    _say(f"{task.name}: answers are checked, {len(ready)} engines are timed")
    for number in range(runs):
        for entry in ready if number % 2 == 0 else reversed(ready):
            _time(addresses, task, entry, topic, scale)
    names = [e.name for e in ENGINES]
    return sorted([*entries, *kept], key=lambda e: names.index(e.engine.name))


def _check(addresses: Addresses, task: Task, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    events = columns(CHECKED, USERS)
    topic = f"{task.name}_check_{time.time_ns()}"
    fill(_kafka(addresses), topic, CHECKED, Shape(users=USERS))
    every = checking.expected(events, SHOWN, task)
    for entry in entries:
        with folder() as place:
            job = Job(addresses, topic, replace(task, seconds=300.0), CHECKED, Path(place), check=True)
            try:
                if isinstance(entry.engine, Headrace):
                    wrong = check_headrace(entry.engine, job, events)
                    said = f"{len(expected(events, USERS, task)):,} users in Redis"
                else:
                    wanted = complete(entry.engine, every, max(every))
                    wrong = checking.differences(shown(entry.engine, job, every), wanted)
                    said = f"{len(wanted)} windows of one user"
            except (EngineError, OSError, RuntimeError) as error:
                entry.problem = f"did not run: {error}"
                _say(f"{entry.engine.name}: {entry.problem}")
                continue
        if wrong:
            entry.problem = f"{len(wrong)} wrong answers, not timed: {wrong[0]}"
            _say(f"{entry.engine.name}: {entry.problem}")
        else:
            entry.checked = said


def check_headrace(engine: Headrace, job: Job, events: Columns) -> list[str]:
    """What is wrong in Redis after the whole topic, of all users."""
    run = engine.start(job)
    assert isinstance(run, WorkerRun)
    try:
        wait(run, job.events)
        return wrong_users(job, engine.view or job.task.name, events, USERS)
    finally:
        run.stop()


def _time(addresses: Addresses, task: Task, entry: Entry, topic: str, scale: float) -> None:
    with folder() as place:
        job = Job(addresses, topic, task, int(scale * entry.engine.events(task)), Path(place))
        load = os.getloadavg()[0]
        try:
            rate = timed(entry.engine, job)
        except (EngineError, TooShortError, OSError, RuntimeError) as error:
            entry.problem = f"a run failed: {error}"
            _say(f"{entry.engine.name}: {entry.problem}")
            return
    entry.rates.append(rate)
    entry.loads.append(load)
    _say(
        f"{task.name}: {entry.engine.name}: {rate.wall:,.0f} events/s, {rate.cpu:,.0f} events/CPU-s, "
        f"{rate.rss:,.0f} MB, {rate.emitted:.3f} results an event, load {load:.1f}"
    )


def table(entries: Sequence[Entry]) -> list[str]:
    """The rows of the report: medians, with the least and the greatest."""
    out = [
        "| engine | events/s | events/CPU-s | peak MB | results/event | runs | answers checked |",
        "|---|---|---|---|---|---|---|",
    ]
    for e in entries:
        if e.rates:
            wall, cpu, rss = (
                Spread.of(x) for x in zip(*((r.wall, r.cpu, r.rss) for r in e.rates), strict=True)
            )
            emitted = Spread.of(r.emitted for r in e.rates)
            out.append(
                f"| {e.engine.title} | {wall.text()} | {cpu.text()} | {rss.median:,.0f} | {emitted.text(form='.3f')} | "
                f"{len(e.rates)} | {e.checked} |"
            )
        else:
            first = e.problem.splitlines()[0] if e.problem else "no run"
            out.append(f"| {e.engine.title} | none: {first} | | | | | {e.checked} |")
    return out


def _kafka(addresses: Addresses) -> str:
    if addresses.kafka is None:
        raise MissingError(f"no broker: {addresses.missing.get('kafka')}")
    return addresses.kafka


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
