"""The demo from start to end: the stage, the generator, what is shown, and the summary of a bounded run."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from app.demo.checking import check_history, check_online
from app.demo.flights import EVENT_COLUMNS
from app.demo.hints import hints
from app.demo.observing import Snapshot
from app.demo.playing import Play
from app.demo.screen import freshness_text, line, screen
from app.demo.stage import Stage
from app.embedding import LIMITS
from headrace.definitions import StreamSource
from headrace.errors import UsageError
from headrace.project import Project
from headrace.settings import Settings

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
        demo = Play(
            stage,
            source,
            plans,
            events=wanted.events,
            rate=wanted.rate,
            seed=wanted.seed,
            keep=wanted.exit and wanted.events is not None,
        )
        stack.callback(demo.close)
        console.print(
            f"Kafka {stage.settings.kafka.bootstrap}, Redis {stage.settings.redis.url}, logs in data/demo"
        )
        demo.start()
        demo.wait_for_features(interrupted)
        if not interrupted.is_set():
            stage.keep_history()
            console.print(f"First features after {time.perf_counter() - began:.1f} s.\n")
            _tell_hints(demo, config, console)
            _show(demo, wanted, console, interrupted)
        if wanted.events is not None and wanted.exit and not interrupted.is_set():
            return _summary(demo, console)
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


def _show(demo: Play, wanted: Wanted, console: Console, interrupted: threading.Event) -> None:
    """Show until Ctrl-C, or until all is sent if the run ends with that."""
    ending = wanted.events is not None and wanted.exit
    if wanted.live:
        with Live(console=console, auto_refresh=False) as live:
            for snapshot in _looks(demo, LOOK, ending, interrupted):
                live.update(screen(snapshot), refresh=True)
    else:
        for snapshot in _looks(demo, LINE, ending, interrupted):
            console.print(line(snapshot), markup=False)


def _looks(demo: Play, every: float, ending: bool, interrupted: threading.Event) -> Iterator[Snapshot]:
    while not interrupted.is_set():
        demo.check()
        yield demo.observer.look()
        if ending and demo.generator.done.is_set():
            return
        wait = time.monotonic() + every
        while not interrupted.wait(0.05) and time.monotonic() < wait:
            if ending and demo.generator.done.is_set():
                break


def _summary(demo: Play, console: Console) -> int:
    """Compare everything with what was sent; the exit code."""
    ledger = demo.generator.ledger
    sent = ledger.events()
    online = check_online(demo.client, demo.spaces, sent)
    demo.probe.stop()
    fresh = demo.probe.freshness()
    demo.wait_for_history(len(sent))
    code = demo.stage.history.stop()
    wrong = [
        *check_history(str(demo.stage.table), sent),
        *([] if code == 0 else [f"it ended with code {code}"]),
    ]
    console.print(f"\nSent {ledger.sent:,} events; Kafka acknowledged {ledger.acknowledged:,}.")
    console.print(f"Freshness {freshness_text(fresh)}, of {fresh.measured:,} events followed.")
    entities = f"{online.entities:,} entities of {len(demo.spaces)} views"
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


def _tell_hints(demo: Play, config: Path, console: Console) -> None:
    settings = demo.stage.settings
    told = hints(settings.kafka.bootstrap, settings.redis.url, demo.stage.table, demo.views, config)
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
