"""`headrace backfill VIEW`: history into the online state or the offline store; and the verbs of `jobs`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, AllowGaps, Config, Json, Verbs, verbs

if TYPE_CHECKING:
    from headrace.offline.jobs import JobFolder

View = Annotated[str, typer.Argument(metavar="VIEW", help="name or name@version.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="INSTANT", help="Such as 2026-01-01T00:00:00Z; else as the view declares."
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="INSTANT",
        help="With --step the last instant. Without, the stream goes on with the records of it.",
    ),
]
Step = Annotated[str | None, typer.Option("--step", metavar="DURATION", help="Such as 1d: offline.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Online: entities a second that are written to Redis."),
]
Id = Annotated[str, typer.Argument(metavar="JOB", help="As `headrace jobs list` names it.")]
Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", help="Give up after so long.")]


def backfill(
    view: View,
    from_: From = None,
    to: To = None,
    step: Step = None,
    limit: Limit = None,
    allow_gaps: AllowGaps = False,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Give a new view its past: online, or with --step offline.

    Online, its state is built from history and handed over to the stream at the offsets where history ends, no event
    twice and none missing, while workers run. A view that declares backfill= is not counted and not served before.

    With --step, every entity's values at each step of the range go to the view's Delta table; doing it again replaces
    what is there.

    Runs here, until it is done. Interrupted, the same command takes it up.

    Example: [bold]headrace backfill customer_spend --from 2026-01-01[/bold]
    """
    from headrace.cli.telling import out, tell_json
    from headrace.cli.training_set import shown_progress
    from headrace.client import FeatureStore
    from headrace.errors import UsageError

    with FeatureStore(config) as store, shown_progress() as progress:
        if step is None:
            job = store.backfill(view, from_, to, limit, allow_gaps=allow_gaps)
        elif from_ is None or to is None:
            raise UsageError("--step is for a range: give --from and --to, too")
        else:
            job = store.materialize(view, from_, to, step, allow_gaps=allow_gaps)
        try:
            while True:
                progress(job.id, *job.progress)
                try:
                    job.wait(0.5)
                    break
                except TimeoutError:
                    continue
        except KeyboardInterrupt:
            job.cancel()
            job.wait()
            raise
        progress(job.id, *job.progress)
        record = job.folder.get(job.id)
    if json_:
        tell_json(record.told())
    else:
        told = f"{len(record.finished)} instants of {view}" if step else f"{view} goes on with the stream"
        out().print(f"{record.id}: {record.state}, {told}")


def register(app: Verbs) -> None:
    """Add `backfill`, and `jobs` with its verbs."""
    app.command()(backfill)
    group = verbs("Offline work: what there is, what has been done of it.")
    group.command("list")(list_jobs)
    group.command("wait")(wait)
    group.command("cancel")(cancel)
    app.add_typer(group, name="jobs")


def list_jobs(config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """Every job with its state and how much of it is done."""
    from headrace.cli.telling import out, table, tell_json

    records = _folder(config).list()
    if json_:
        tell_json([r.told() for r in records])
        return
    rows = [
        (r.id, r.arguments.get("view"), r.state, f"{len(r.finished)}/{r.parts}", r.error) for r in records
    ]
    out().print(table(None, ["job", "view", "state", "done", "error"], rows))


def wait(job: Id, timeout: Timeout = None, config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """Wait for a job's end; the exit code is 1 if it failed, was cancelled, or did not end in time."""
    from headrace.cli.telling import out, tell_json
    from headrace.offline.jobs import ENDED

    folder, until = _folder(config), None if timeout is None else time.monotonic() + timeout
    record = folder.get(job)
    while record.state not in ENDED and (until is None or time.monotonic() < until):
        time.sleep(0.2)
        record = folder.get(job)
    if json_:
        tell_json(record.told())
    else:
        out().print(f"{record.id}: {record.state}" + (f" ({record.error})" if record.error else ""))
    if record.state != "done":
        raise typer.Exit(1)


def cancel(job: Id, config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """End a job at its next part. What is done stays, and the same work goes on from there."""
    from headrace.cli.telling import out, tell_json

    record = _folder(config).cancel(job)
    if json_:
        tell_json(record.told())
    else:
        out().print(f"{record.id}: {record.state}")


def _folder(config: Path) -> JobFolder:
    from headrace.offline.jobs import folder_of
    from headrace.settings import load_settings

    return folder_of(load_settings(config))
