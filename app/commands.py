"""The service's verbs, for `headrace.cli` to add to its own. Loads nothing heavy until a verb runs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.promote_verb import promote
from app.republish_verb import republish
from app.state_verb import show
from headrace.cli.typed import DEFAULT_CONFIG, Config, Json, Verbs, verbs

if TYPE_CHECKING:
    from app.dead_letters import DeadLetter

PROCESSES = ("demo", "worker", "history")
"""Verbs of their own modules, ``app.NAME_verb``, each with a function of its own name."""


def register(app: Verbs) -> None:
    """Add the verbs, in the order of a day's work."""
    for name in PROCESSES:
        try:
            module = importlib.import_module(f"app.{name}_verb")
        except ModuleNotFoundError as error:
            if error.name != f"app.{name}_verb":
                raise
            continue
        app.command(name)(getattr(module, name))
    app.command()(ingest)
    app.command()(status)
    app.command()(republish)
    app.command()(promote)
    state = verbs("The state behind the features: what a worker counts on, looked at from outside.")
    state.command("show")(show)
    app.add_typer(state, name="state")
    letters = verbs("Events that could not be used, each with its reason and its place.")
    letters.command("list")(list_letters)
    letters.command("show")(show_letter)
    app.add_typer(letters, name="dead-letters")


def ingest(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The stream source's name.")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE.jsonl]", help="One JSON object a line; standard input without it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate only; produce nothing.")] = False,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Validate events and produce them to Kafka.

    Each line is checked against the source's schema; the good ones are produced, keyed as the source declares, and
    counted when Kafka has them. The exit code is 1 if any was rejected.

    Example: [bold]headrace ingest payments config/payments.jsonl --dry-run[/bold]
    """
    from app.ingesting import ingest as ingest_records
    from app.ingesting import parsed
    from headrace.cli.telling import out, table, tell_json
    from headrace.errors import UsageError
    from headrace.loading import load
    from headrace.settings import load_settings

    settings = load_settings(config)
    project = load(config)
    lines: Any = typer.get_binary_stream("stdin")
    if file is not None:
        try:
            lines = file.open("rb")
        except OSError as error:
            raise UsageError(f"`{file}` cannot be read: {error.strerror}") from None
    with lines:
        told = ingest_records(project, settings, source, parsed(lines), dry_run=dry_run)
    if json_:
        tell_json(told)
    else:
        console = out()
        if told["diagnostics"]:
            rows = [(d["index"], d["field"], d["reason"]) for d in told["diagnostics"][:50]]
            console.print(table("Rejected", ["record", "field", "reason"], rows))
        if told["rejected"] > 50:
            console.print(f"and {told['rejected'] - 50:,} more (--json shows all)")
        word = "would be accepted" if dry_run else "accepted"
        console.print(f"{told['accepted']:,} {word}, {told['rejected']:,} rejected")
    if told["rejected"]:
        raise typer.Exit(1)


def status(config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """Show what answers, what lags and how much was refused.

    The exit code is 1 if a part does not answer.

    Example: [bold]headrace status --json | jq '.lag\\[].lag'[/bold]
    """
    from app.status import status as look
    from headrace.cli.telling import out, table, tell_json
    from headrace.loading import load
    from headrace.settings import load_settings

    told = look(load(config), load_settings(config))
    if json_:
        tell_json(told)
    else:
        console = out()
        words = {True: "yes", False: "NO", None: "-"}
        parts = [(p["part"], p["address"], words[p["ok"]], p["detail"]) for p in told["parts"]]
        console.print(table(f"Project {told['project']}", ["part", "address", "answers", ""], parts))
        if told["lag"]:
            columns = ["process", "source", "topic", "partition", "committed", "end", "lag", "note"]
            rows = [[row[c] if row[c] is not None else "-" for c in columns] for row in told["lag"]]
            console.print(table("Lag", columns, rows))
        if told["workers"]:
            console.print(
                table(
                    "Workers",
                    ["worker", "said", "open", "opening", "restoring", "waits for history", "copies, lag"],
                    [_worker_row(w) for w in told["workers"]],
                )
            )
        if told["shadows"]:
            waiting = [
                (s["view"], s["serving"], s["waits_for"] or "nothing: promote it") for s in told["shadows"]
            ]
            console.print(table("Shadows", ["version", "its name is served by", "waits for"], waiting))
        if told["refreshes"]:
            columns = [
                "view",
                "as_of",
                "newest_event",
                "seconds_ago",
                "target_seconds",
                "late",
                "state",
                "error",
            ]
            fresh = [["-" if r[c] is None else r[c] for c in columns] for r in told["refreshes"]]
            console.print(table("Refreshes", [c.replace("_", " ") for c in columns], fresh))
        if told["dead_letters"] is not None:
            hint = "  (headrace dead-letters list)" if told["dead_letters"] else ""
            console.print(f"{told['dead_letters']:,} dead letters{hint}")
    if not told["ok"]:
        raise typer.Exit(1)


def _worker_row(told: dict[str, Any]) -> tuple[object, ...]:
    restoring = ", ".join(f"{r['table']} {100 * r['done'] // max(r['of'], 1)} %" for r in told["restoring"])
    copies, lag = len(told["standbys"]), sum(s["lag"] for s in told["standbys"])
    return (
        told["worker"],
        f"{told['seconds_ago']:.0f} s ago",
        len(told["open"]),
        len(told["opening"]),
        restoring or "-",
        ", ".join(told.get("waiting", ())) or "-",
        f"{copies}, {lag:,}" if copies else "-",
    )


def list_letters(
    last: Annotated[int, typer.Option("--last", min=1, metavar="N", help="How many, the newest.")] = 20,
    reason: Annotated[str | None, typer.Option("--reason", help="Only of this reason.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only of this source.")] = None,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """List dead letters, oldest first.

    Example: [bold]headrace dead-letters list --reason decode --last 5[/bold]
    """
    from collections import Counter, deque

    from rich.markup import escape

    from app.dead_letters import REASONS, dead_letters
    from app.outside import outside
    from headrace.cli.telling import out, table, tell_json
    from headrace.errors import UsageError, did_you_mean

    if reason not in (None, *REASONS):
        hint = did_you_mean(reason, REASONS) or f"The reasons are {', '.join(REASONS)}."
        raise UsageError(f"there is no reason `{reason}`. {hint}")
    found = [
        letter
        for letter in dead_letters(outside(config))
        if reason in (None, letter.reason) and source in (None, letter.source)
    ]
    shown: deque[DeadLetter] = deque(found, maxlen=last)
    if json_:
        tell_json([letter.plain() for letter in shown])
        return
    console = out()
    if not found:
        of = "".join(
            f" of {what} {which}" for what, which in (("reason", reason), ("source", source)) if which
        )
        console.print(f"There are no dead letters{escape(of)}.")
        return
    rows = [(x.id, x.at, x.reason, x.source, f"{x.topic}/{x.partition}@{x.offset}", x.detail) for x in shown]
    made = table(None, ["id", "at", "reason", "source", "event", "detail"], rows)
    for column in made.columns[:3]:
        column.no_wrap = True
    console.print(made)
    counts = ", ".join(f"{n:,} {name}" for name, n in Counter(x.reason for x in found).most_common())
    console.print(f"{len(found):,} in all: {counts}")


def show_letter(
    id: Annotated[str, typer.Argument(metavar="ID", help="partition:offset, as `list` shows it.")],
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Show one dead letter in full: reason, detail, position, headers, and the event as it came.

    Example: [bold]headrace dead-letters show 0:17[/bold]
    """
    from rich.markup import escape

    from app.dead_letters import dead_letter
    from app.outside import outside
    from headrace.cli.telling import out, tell_json

    letter = dead_letter(outside(config), id)
    told = letter.plain()
    if json_:
        tell_json(told)
        return
    console = out()
    for name in ("id", "reason", "detail", "source", "topic", "partition", "offset", "at"):
        console.print(f"[dim]{name:<10}[/dim]{escape(str(told[name]))}")
    for name in ("key", "value"):
        raw: bytes | None = getattr(letter, name)
        size = "" if raw is None else f" ({len(raw):,} bytes)"
        text = told[f"{name}_text"] or ("null" if raw is None else raw.hex(" ")[:600])
        console.print(f"[dim]{name:<10}[/dim]{escape(text)}{size}")
    for name, value in told["headers"]:
        console.print(f"[dim]header    [/dim]{escape(name)} = {escape(value)}")
