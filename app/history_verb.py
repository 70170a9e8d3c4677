"""`headrace history`: every event from Kafka to Delta Lake, until it is stopped."""

from __future__ import annotations

import typer

from app.worker_verb import For, UntilIdle, seconds
from headrace.cli.typed import DEFAULT_CONFIG, Config


def history(for_: For = None, until_idle: UntilIdle = None, config: Config = DEFAULT_CONFIG) -> None:
    """Keep every event: one Delta Lake table for each source, each event exactly once.

    A process and consumer group of its own: it never delays the features. SIGTERM or Ctrl-C commits what was
    fetched before it ends.

    Example: [bold]headrace history --until-idle 5s[/bold]
    """
    import time

    from app.tuning import tune
    from headrace.settings import load_settings

    settings = load_settings(config)
    tune(settings.engine.threads)  # before Polars is loaded, and before any thread

    from app.embedding import embedded_parts
    from app.history import history as build
    from app.process import configure_logging, run, said_in_the_log, wait_for_kafka
    from headrace import wire
    from headrace.loading import load

    for_seconds, idle_seconds = seconds(for_, "--for"), seconds(until_idle, "--until-idle")
    configure_logging(settings)
    wire.warm()
    with said_in_the_log(settings):
        project = load(config)
        with embedded_parts(settings, project) as settings:
            cluster = wait_for_kafka(settings, time.sleep, for_seconds)
            made = build(project, settings, cluster)
            code = run(
                made.app,
                close=made.flow.close,
                idle=lambda: made.flow.idle,
                caught_up=lambda: made.flow.caught_up(made.end),
                progress=lambda: made.flow.progress,
                for_seconds=for_seconds,
                until_idle=idle_seconds,
            )
    raise typer.Exit(code)
