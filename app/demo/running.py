"""The demo from start to end: the stage, the generator, what is shown, and the summary of a bounded run."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import redis
from rich.console import Console
from rich.live import Live
from rich.markup import escape

from app.demo.checking import check_history, check_online
from app.demo.flights import EVENT_COLUMNS, flights
from app.demo.freshness import Probe
from app.demo.hints import hints
from app.demo.observing import Observer, Snapshot
from app.demo.pace import Pace
from app.demo.replay import Replay
from app.demo.screen import freshness_text, line, screen
from app.demo.sending import Generator
from app.demo.shown import HORIZON, Shown, shown
from app.demo.stage import Stage
from app.embedding import LIMITS
from headrace.definitions import StreamSource
from headrace.errors import UnavailableError, UsageError
from headrace.online.keys import KeySpace
from headrace.plan import ViewPlan
from headrace.project import Project
from headrace.settings import Settings

ENTITIES = 3  # of each view
VIEWS = 3
LOOK = 0.25  # seconds between looks on a terminal
LINE = 2.0  # seconds between lines elsewhere


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for. `events` None: without end; `exit`: end after them, with a summary."""

    events: int | None
    exit: bool
    rate: float
    seed: int
    live: bool


def run(project: Project, settings: Settings, config: Path, wanted: Wanted, console: Console) -> int:
    """The exit code: 0, or 1 if a bounded run's features or history are not what was sent."""
    began = time.perf_counter()
    source = source_of(project)
    plans = [p for p in project.plans.values() if p.view.online and p.view.source is source]
    console.print(
        f"[bold]Headrace demo[/bold]: flights of 2013, moved to now, at {wanted.rate:,.0f} a second"
    )
    console.print(f"[dim]Embedded for this run: {LIMITS}. Its folder data/demo begins empty each time.[/dim]")
    with _interrupts() as interrupted, ExitStack() as stack:
        stage = stack.enter_context(Stage(settings, source, config))
        demo = _Demo(stage, source, plans, wanted)
        stack.callback(demo.close)
        console.print(
            f"Kafka {stage.settings.kafka.bootstrap}, Redis {stage.settings.redis.url}, logs in data/demo"
        )
        demo.start()
        demo.wait_for_features(interrupted)
        if not interrupted.is_set():
            console.print(f"First features after {time.perf_counter() - began:.1f} s.\n")
            _tell_hints(demo, console)
            _show(demo, wanted, console, interrupted)
        if wanted.events is not None and wanted.exit and not interrupted.is_set():
            return demo.summary(console)
        console.print("Stopping: what was sent is counted and kept first.")
    return 0


def source_of(project: Project) -> StreamSource:
    """The project's source of flights. UsageError if it has none that these events fit."""
    for source in project.sources.values():
        if (
            isinstance(source, StreamSource)
            and source.timestamp == "scheduled_at"
            and list(source.columns) == list(EVENT_COLUMNS)
        ):
            return source
    raise UsageError(
        "the demo replays flights, and this project has no source of them: a stream source with the columns of "
        "schemas/flight.avsc and timestamp='scheduled_at', as the default project's. For your own events: "
        "`headrace worker`, and `headrace ingest SOURCE FILE.jsonl`"
    )


class _Demo:
    """The parts that live in this process."""

    def __init__(self, stage: Stage, source: StreamSource, plans: Sequence[ViewPlan], wanted: Wanted) -> None:
        self.stage = stage
        settings = stage.settings
        self.spaces = [
            (p, KeySpace(settings.project, p.view.name, p.view.version, settings.redis.hash_tag))
            for p in plans
        ]
        year = flights()
        replay = Replay(year, wanted.seed)
        coming = replay.coming(min(HORIZON, wanted.events or HORIZON)).tolist()
        self.views = [shown(p, space, year, coming, ENTITIES) for p, space in self.spaces[:VIEWS]]
        self.probe = Probe(settings.redis.url, self.views)
        self.generator = Generator(
            source,
            settings,
            replay,
            Pace(wanted.rate, wanted.seed),
            limit=wanted.events,
            keep=wanted.exit and wanted.events is not None,
            sent=self.probe.sent,
        )
        self.observer = Observer(
            redis_url=settings.redis.url,
            metrics_port=stage.metrics_port,
            topic=source.topics[0],
            history=stage.table,
            generator=self.generator,
            probe=self.probe,
            views=self.views,
        )
        self.client = redis.Redis.from_url(settings.redis.url, decode_responses=True)

    def start(self) -> None:
        self.probe.start()
        self.generator.start()

    def close(self) -> None:
        self.generator.stop()
        self.probe.stop()
        self.observer.close()
        self.client.close()

    def wait_for_features(self, interrupted: threading.Event) -> None:
        """Return when the first events were seen in Redis; from then on events flow, and count for freshness."""
        while self.probe.measured == 0 and not interrupted.wait(0.02):
            self.check()
        self.probe.begin()
        self.generator.go()

    def check(self) -> None:
        """UnavailableError if a process ended or Kafka refused an event."""
        self.stage.check()
        if self.generator.ledger.failed is not None:
            raise UnavailableError(f"the generator: {self.generator.ledger.failed}")

    def summary(self, console: Console) -> int:
        """Compare everything with what was sent; the exit code."""
        ledger = self.generator.ledger
        sent = ledger.events()
        online = check_online(self.client, self.spaces, sent)
        self.probe.stop()
        fresh = self.probe.freshness()
        code = self.stage.history.stop()
        wrong = [
            *check_history(str(self.stage.table), sent),
            *([] if code == 0 else [f"it ended with code {code}"]),
        ]
        console.print(f"\nSent {ledger.sent:,} events; Kafka acknowledged {ledger.acknowledged:,}.")
        console.print(f"Freshness {freshness_text(fresh)}, of {fresh.measured:,} events followed.")
        entities = f"{online.entities:,} entities of {len(self.spaces)} views"
        if online.wrong:
            console.print(
                f"[red]Online: {len(online.wrong):,} values of {entities} are wrong[/red], the first of them:"
            )
            for mismatch in online.wrong[:10]:
                console.print(f"  {escape(str(mismatch))}")
        else:
            console.print(
                f"[green]Online: {entities}[/green], every value equal to a recomputation of what was sent."
            )
        if wrong:
            console.print(f"[red]History: {escape('; '.join(wrong))}[/red]")
        else:
            console.print(f"[green]History: {len(sent):,} events[/green], each as it was sent, once.")
        return 1 if online.wrong or wrong or ledger.acknowledged != ledger.sent else 0


def _show(demo: _Demo, wanted: Wanted, console: Console, interrupted: threading.Event) -> None:
    """Show until Ctrl-C, or until all is sent if the run ends with that."""
    ending = wanted.events is not None and wanted.exit
    if wanted.live:
        with Live(console=console, auto_refresh=False) as live:
            for snapshot in _looks(demo, LOOK, ending, interrupted):
                live.update(screen(snapshot), refresh=True)
    else:
        for snapshot in _looks(demo, LINE, ending, interrupted):
            console.print(line(snapshot), markup=False)


def _looks(demo: _Demo, every: float, ending: bool, interrupted: threading.Event) -> Iterator[Snapshot]:
    while not interrupted.is_set():
        demo.check()
        yield demo.observer.look()
        if ending and demo.generator.done.is_set():
            return
        wait = time.monotonic() + every
        while not interrupted.wait(0.05) and time.monotonic() < wait:
            if ending and demo.generator.done.is_set():
                break


def _tell_hints(demo: _Demo, console: Console) -> None:
    settings = demo.stage.settings
    told = hints(settings.kafka.bootstrap, settings.redis.url, demo.stage.table, demo.views)
    console.print("[bold]Try, in another terminal[/bold] (Ctrl-C here ends all of it):")
    for what, command in told:
        console.print(f"  [dim]{what}[/dim]")
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True, style="cyan")
    console.print()


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, in place of what they do; a second Ctrl-C is Python's own."""
    event = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stdout.flush()


__all__ = ["Shown", "Wanted", "run", "source_of"]
