"""`headrace jobs`: the process that runs offline work by itself, and the verbs that look at what there is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, InOrder, Json, Verbs, verbs

if TYPE_CHECKING:
    from headrace.offline.jobs import JobFolder

Id = Annotated[str, typer.Argument(metavar="JOB", help="As `headrace jobs list` names it.")]
Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", help="Give up after so long.")]
For = Annotated[str | None, typer.Option("--for", metavar="10s", help="End after this long.")]
UntilIdle = Annotated[
    str | None, typer.Option("--until-idle", metavar="2s", help="End after this long without anything to do.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Entities a second that refreshes write to Redis."),
]
VerifyEvery = Annotated[
    str,
    typer.Option("--verify-every", metavar="10m", help="How often a sample of each online view is verified."),
]
Sample = Annotated[
    int, typer.Option("--sample", min=1, metavar="N", help="About how many entities are verified.")
]
CareEvery = Annotated[
    str,
    typer.Option(
        "--care-every", metavar="24h", help="How often history is cared for: retention, order, cleaning."
    ),
]


class Process(InOrder):
    """Verbs, of which `run` is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def register(app: Verbs) -> None:
    """Add `jobs` with its verbs."""
    group = verbs(
        "Offline work: run it by itself (`headrace jobs`, a process like worker and history), see what there is."
    )
    group.info.cls = Process
    group.command("run")(run)
    group.command("list")(list_jobs)
    group.command("wait")(wait)
    group.command("cancel")(cancel)
    app.add_typer(group, name="jobs")


def run(
    for_: For = None,
    until_idle: UntilIdle = None,
    limit: Limit = None,
    verify_every: VerifyEvery = "10m",
    sample: Sample = 200,
    care_every: CareEvery = "24h",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Refresh and materialise views on schedule, take up jobs whose process died, verify samples, care for history.

    One for a project. SIGTERM or Ctrl-C gives what is under way some seconds; what does not end is taken up by the next
    start. The exit code is 1 if a refresh or a verification failed last.

    Example: [bold]headrace jobs --until-idle 2s[/bold]
    """
    from headrace.service import service

    verb = service("app.jobs_verb", "`headrace jobs`").run
    raise typer.Exit(verb(config, for_, until_idle, limit, verify_every, sample, care_every))


def list_jobs(config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """Every job with its state and how much of it is done."""
    from headrace.cli.telling import out, table, tell_json

    records = _folder(config).list()
    if json_:
        tell_json([r.told() for r in records])
        return
    if not records:
        out().print("There are no jobs yet.")
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
