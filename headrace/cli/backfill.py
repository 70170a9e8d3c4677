"""`headrace backfill VIEW`: history into the online state or the offline store."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, AllowGaps, Config, Json

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
    typer.Option(
        "--limit",
        min=1,
        metavar="N",
        help="Online: entities a second that are written to Redis (else 5,000).",
    ),
]

Events = Annotated[
    str | None,
    typer.Option("--events", metavar="FILE.parquet", help="Online: these events in place of history."),
]


def backfill(
    view: View,
    from_: From = None,
    to: To = None,
    step: Step = None,
    limit: Limit = None,
    events: Events = None,
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
    from headrace.offline.giving_way import give_way

    give_way()
    from headrace.cli.interrupting import interruptible
    from headrace.cli.telling import out, tell_json
    from headrace.cli.training_set import shown_progress
    from headrace.client import FeatureStore
    from headrace.errors import UsageError

    with FeatureStore(config) as store, shown_progress() as progress:
        if step is None:
            job = store.backfill(view, from_, to, limit, events=events, allow_gaps=allow_gaps)
        elif events is not None:
            raise UsageError("--events is for the online state; with --step give none")
        elif from_ is None or to is None:
            raise UsageError("--step is for a range: give --from and --to, too")
        else:
            first, last, by = from_, to, step
            job = interruptible(
                lambda _scratch, _check: store.materialize(view, first, last, by, allow_gaps=allow_gaps)
            )
        try:
            while True:
                progress(job.id, *job.progress)
                try:
                    job.wait(0.5)
                    break
                except TimeoutError:
                    continue
        except KeyboardInterrupt:
            typer.echo("ends once what is being written is written; at a second Ctrl-C, at once", err=True)
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
