"""`headrace promote`: a bare name is answered by another version from now on."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json


def promote(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="name@version; a bare name is its newest.")],
    force: Annotated[bool, typer.Option("--force", help="Also if it is not complete.")] = False,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Let a view's bare name be answered by this version.

    A version that begins with history is a shadow until then: it is read as name@version alone, and the version before
    it goes on serving the name. It is refused while the backfill is not done or not every entity is online. An older
    version is promoted in the same way, to go back.

    Example: [bold]headrace promote customer_spend@4[/bold]
    """
    from headrace.cli.telling import out, tell_json
    from headrace.client import FeatureStore

    with FeatureStore(config) as store:
        told = store.promote(view, force=force)
    if json_:
        tell_json(told)
    else:
        out().print(f"{told['view']} is version {told['version']} now; before, it was {told['before']}")
