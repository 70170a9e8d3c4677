"""`headrace demo`: all of it at once, on embedded parts."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config

Events = Annotated[int | None, typer.Option("--events", min=1, metavar="N", help="Send so many events.")]
Exit = Annotated[bool, typer.Option("--exit", help="End after --events, and check every value and event.")]
Rate = Annotated[float, typer.Option("--rate", min=1, metavar="N", help="Events a second, between bursts.")]
Seed = Annotated[int, typer.Option("--seed", help="Where in the year it begins, and when bursts come.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines, as where the output is no terminal.")]


def demo(
    events: Events = None,
    exit: Exit = False,
    rate: Rate = 300.0,
    seed: Seed = 1,
    plain: Plain = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Show all of it: real flights through embedded Kafka and Redis, until Ctrl-C.

    336,776 flights of 2013, moved to now, some hundred a second with bursts. The worker and history run as processes
    of their own; what they compute and keep can be read meanwhile, as anybody would: the demo says how.

    With --events and --exit it ends by itself, recomputes every feature of every entity from what was sent, reads
    history back, and exits with 1 if anything differs.

    Example: [bold]headrace demo --events 5000 --rate 1000 --exit[/bold]
    """
    from app.demo.running import Wanted, run
    from headrace.cli.telling import out
    from headrace.errors import UsageError
    from headrace.loading import load
    from headrace.settings import load_settings

    if exit and events is None:
        raise UsageError("--exit ends the demo after --events N: say how many")
    console = out()
    wanted = Wanted(events, exit, rate, seed, live=console.is_terminal and not plain)
    raise typer.Exit(run(load(config), load_settings(config), config, wanted, console))
