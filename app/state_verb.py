"""`headrace state show`: the state behind a view's features, without touching it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json


def show(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="name or name@version.")],
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Only this entity (42, 'UA|LAX'); may be repeated."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Look into this state folder, not into the changelog."),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Show a view's state: positions by partition, and each entity's values as of its own T.

    Read from the changelog: what a worker that takes over would have, to the last flush that is committed. With
    --folder, what is on the disk of a worker, which may still run: its newest flushes are not there yet.

    Example: [bold]headrace state show customer_spend --key 42[/bold]
    """
    from app.state import state_of
    from headrace.cli.keys import entities_of
    from headrace.cli.telling import out, table, tell_json
    from headrace.loading import load
    from headrace.online.keys import python_entity_key
    from headrace.settings import load_settings

    settings, project = load_settings(config), load(config)
    found = project.view(view)
    types = list(found.entity.keys.values())
    keys = [python_entity_key(list(e.values()), types) for e in entities_of(found, key)] if key else None
    told = state_of(project, settings, found.id, keys, folder)
    if json_:
        tell_json(told)
        return
    console = out()
    positions = [
        (p["partition"], p["epoch"], p["sequence"], ", ".join(f"{s} {n}" for s, n in p["positions"].items()))
        for p in told["partitions"]
    ]
    console.print(table(f"{told['view']}", ["partition", "epoch", "sequence", "next offsets"], positions))
    names = list(found.features)
    rows = [(e["key"], e["as_of"], *(e["features"][n] for n in names)) for e in told["entities"][:200]]
    console.print(table(None, ["entity", "as of", *names], rows))
    if len(told["entities"]) > 200:
        console.print(f"and {len(told['entities']) - 200:,} more (--json shows all)")
