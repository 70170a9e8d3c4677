"""`headrace verify VIEW`: what Redis serves against what history says; the exit code is 1 where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, AllowGaps, Config, Json

if TYPE_CHECKING:
    from headrace.offline.verifying import Verified

View = Annotated[str, typer.Argument(metavar="VIEW", help="name or name@version.")]
Sample = Annotated[int, typer.Option("--sample", min=1, metavar="N", help="About how many entities.")]
Seed = Annotated[int, typer.Option("--seed", help="Another number chooses other entities.")]

SHOWN = 50


def verify(
    view: View,
    sample: Sample = 1_000,
    seed: Seed = 0,
    allow_gaps: AllowGaps = False,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Recompute sampled entities from history and compare them with the online store.

    Prints the share that is right, and each value that is not, with its reason: lost, twice, expired, version, late,
    history, float, unreadable, value. Entities with events that history has not kept yet are told apart. The exit code
    is 1 if anything differs, or if history itself has lost events; these are named.

    Example: [bold]headrace verify customer_spend --sample 10000[/bold]
    """
    from headrace.cli.telling import tell_json
    from headrace.client import FeatureStore

    with FeatureStore(config) as store:
        found = store.verify(view, sample=sample, seed=seed)
    if json_:
        tell_json(found.told())
    else:
        _show(found)
    if found.mismatches or (found.gaps and not allow_gaps):
        raise typer.Exit(1)


def _show(found: Verified) -> None:
    from headrace.cli.telling import out, table
    from headrace.history.gaps import Gap

    console = out()
    waiting = f", {found.ahead:,} ahead of history" if found.ahead else ""
    console.print(
        f"{found.view}: {found.matched:,} of {found.checked:,} entities match ({found.rate:.2%}){waiting}"
    )
    for gap in found.gaps:
        console.print(f"history has lost events: {Gap.of(gap)}")
    if found.mismatches:
        rows = [(m.entity, m.feature, m.online, m.history, m.reason) for m in found.mismatches[:SHOWN]]
        console.print(table(None, ["entity", "feature", "online", "history", "reason"], rows))
    if len(found.mismatches) > SHOWN:
        console.print(f"and {len(found.mismatches) - SHOWN:,} more; --json has all of them")
