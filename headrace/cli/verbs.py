"""The verbs of `headrace`, in the order of a day's work: a visible list, each declared by its own module."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.backfill import backfill
from headrace.cli.catalogue import register as register_catalogue
from headrace.cli.get import get
from headrace.cli.init import init
from headrace.cli.jobs import register as register_jobs
from headrace.cli.plan import plan
from headrace.cli.service_verbs import register as register_service
from headrace.cli.training_set import training_set
from headrace.cli.typed import verbs
from headrace.cli.verify import verify

HELP = (
    "Streaming features: Avro events on Kafka in, fresh values in Redis, exact history in Delta Lake out.\n\n"
    "Begin with [bold]headrace init[/bold], or see it all at once with [bold]headrace demo[/bold]."
)
app = verbs(HELP)


def _version(asked: bool) -> None:
    if asked:
        from headrace import __version__

        typer.echo(f"headrace {__version__}")
        raise typer.Exit


@app.callback()
def headrace(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The command itself, before any verb."""


app.command()(init)
app.command()(plan)
register_service(app)
app.command()(get)
app.command("training-set")(training_set)
app.command()(verify)
app.command()(backfill)
register_jobs(app)
register_catalogue(app)
