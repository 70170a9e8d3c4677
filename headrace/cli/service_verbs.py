"""The verbs that the service provides, or, where only the library is installed, one clear sentence for each."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from headrace.cli.typed import Verbs
from headrace.errors import UsageError

ABSENT = {
    "demo": "All of it at once on embedded parts, with a generator.",
    "worker": "Compute features: Kafka to Redis.",
    "history": "Keep every event: Kafka to Delta Lake.",
    "ingest": "Validate events and produce them to Kafka.",
    "status": "What answers, what lags, what was refused.",
    "republish": "Write a view's features to Redis again.",
    "promote": "Let a view's bare name be answered by another version.",
    "state": "The state behind the features.",
    "dead-letters": "Events that could not be used.",
}


def register(app: Verbs) -> None:
    """Add the service's verbs, from `app.commands` if it is there."""
    try:
        commands = importlib.import_module("app.commands")
    except ModuleNotFoundError as error:
        missing = error.name or "app"
        for name, what in ABSENT.items():
            _absent(app, name, what, missing)
        return
    commands.register(app)


def _absent(app: Verbs, name: str, what: str, missing: str) -> None:
    def verb(arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        if missing.split(".")[0] != "app":
            raise UsageError(
                f"`headrace {name}` needs the package `{missing}`, which is not installed. "
                "`pip install 'headrace[service]'` brings what the service needs."
            )
        raise UsageError(
            f"`headrace {name}` is part of the service, and only the library is installed here. Run it from a "
            "checkout of the repository (`make setup`) or from the service's image."
        )

    help = f"{what} [dim](needs the service, which is not installed here)[/dim]"
    settings = {
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": ["-h", "--help"],
    }
    app.command(name, help=help, context_settings=settings)(verb)
