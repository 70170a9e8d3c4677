"""`headrace republish`: the workers write a view's features to Redis again."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json


def republish(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="name or name@version.")],
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Only this entity (42, 'UA|LAX'); may be repeated."),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="60s", help="How long to wait for it.")
    ] = "60s",
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Write every live feature of a view to Redis again, from the workers' state.

    The workers that own the view's partitions do it while they go on. What Redis lost is noticed and written again
    without being asked for; this is for what nothing can notice, such as keys that somebody deleted or changed. The
    exit code is 1 if a partition did not answer in time: no worker owns it, or it needs longer.

    Example: [bold]headrace republish customer_spend --key 42[/bold]
    """
    from app.outside import outside
    from app.republishing import republish as ask
    from app.worker_verb import seconds
    from headrace.cli.keys import entities_of
    from headrace.cli.telling import out, tell_json
    from headrace.loading import load

    settings = outside(config)
    project = load(config)
    found = project.view(view)
    entities = entities_of(found, key) if key else None
    told = ask(project, settings, found, entities, seconds(timeout, "--timeout") or 0.0)
    if json_:
        tell_json(told)
    else:
        out().print(
            f"{told['entities']:,} entities of {told['view']} written again by {told['done']} of "
            f"{told['partitions']} partitions in {told['seconds']:.1f} s"
        )
        if told["missing"]:
            out().print(f"no answer from {', '.join(told['missing'])}: is a worker running?")
    if told["missing"]:
        raise typer.Exit(1)
