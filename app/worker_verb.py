"""`headrace worker`: features from Kafka to Redis, until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config

For = Annotated[str | None, typer.Option("--for", metavar="10s", help="End after this long.")]
UntilIdle = Annotated[
    str | None, typer.Option("--until-idle", metavar="2s", help="End after this long without anything to do.")
]


def seconds(text: str | None, option: str) -> float | None:
    """The seconds of a duration given as an option. Raises UsageError."""
    from headrace.durations import SECOND, parse_duration
    from headrace.errors import UsageError

    if text is None:
        return None
    try:
        return parse_duration(text) / SECOND
    except ValueError as exc:
        raise UsageError(f"{option}: {exc}") from None


def worker(for_: For = None, until_idle: UntilIdle = None, config: Config = DEFAULT_CONFIG) -> None:
    """Compute features: consume the sources' topics, keep windows in state, write values to Redis.

    SIGTERM or Ctrl-C drains: what was fetched is counted, written and committed before it ends, within a minute; a
    second one ends at once. Start as many as there are partitions, each with its own state folder.

    Example: [bold]headrace worker --until-idle 2s[/bold]
    """
    import time

    from app.tuning import LARGEST, tune
    from headrace.settings import load_settings

    settings = load_settings(config)
    tune(settings.engine.threads, largest=LARGEST)  # before Polars is loaded, and before any thread

    from app.embedding import embedded_parts
    from app.features import features
    from app.metrics_server import serve
    from app.process import configure_logging, run, said_in_the_log, wait_for_kafka
    from headrace import panes, wire
    from headrace.loading import load
    from headrace.native import put_compiler_away
    from headrace.online import restore

    for_seconds, idle_seconds = seconds(for_, "--for"), seconds(until_idle, "--until-idle")
    configure_logging(settings)
    wire.warm()
    panes.warm()
    restore.warm()
    put_compiler_away()
    with said_in_the_log(settings):
        project = load(config)
        with embedded_parts(settings, project) as settings:
            cluster = wait_for_kafka(settings, time.sleep, for_seconds)
            made = features(project, settings, cluster)
            with serve(made.engine.metrics.registry, settings.metrics):
                code = run(
                    made.app,
                    close=made.close,
                    idle=lambda: made.engine.idle,
                    caught_up=lambda: made.engine.caught_up(made.topics),
                    progress=lambda: made.engine.progress,
                    for_seconds=for_seconds,
                    until_idle=idle_seconds,
                )
    raise typer.Exit(code)
