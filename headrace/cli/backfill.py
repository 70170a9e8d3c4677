"""`headrace backfill VIEW --from --to --step`: past values into the offline store; and the verbs of `jobs`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json, Verbs, verbs

if TYPE_CHECKING:
    from headrace.offline.jobs import JobFolder

View = Annotated[str, typer.Argument(metavar="VIEW", help="name or name@version.")]
From = Annotated[str, typer.Option("--from", metavar="INSTANT", help="Such as 2026-01-01T00:00:00Z.")]
To = Annotated[str, typer.Option("--to", metavar="INSTANT", help="The last instant, if a step falls on it.")]
Step = Annotated[str, typer.Option("--step", metavar="DURATION", help="Such as 1d.")]
Id = Annotated[str, typer.Argument(metavar="JOB", help="As `headrace jobs list` names it.")]
Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", help="Give up after so long.")]


def backfill(
    view: View, from_: From, to: To, step: Step, config: Config = DEFAULT_CONFIG, json_: Json = False
) -> None:
    """Write every entity's values at each step of a range to the view's Delta table.

    Runs here, until it is done. Interrupted, the same command goes on where it stood. Doing it again replaces what is
    there.

    Example: [bold]headrace backfill customer_spend --from 2026-01-01 --to 2026-02-01 --step 1d[/bold]
    """
    from headrace.cli.telling import out, tell_json
    from headrace.cli.training_set import shown_progress
    from headrace.client import FeatureStore

    with FeatureStore(config) as store, shown_progress() as progress:
        job = store.materialize(view, from_, to, step)
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
        out().print(f"{record.id}: {record.state}, {len(record.finished)} instants of {view}")


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
