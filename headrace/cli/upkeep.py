"""`headrace sources compact | retire | vacuum [NAME]`: few large files in history, what is kept, and what is cleaned.

All are safe beside running writers and readers; how, is `headrace.history`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json, Verbs

if TYPE_CHECKING:
    from headrace.definitions import StreamSource
    from headrace.project import Project
    from headrace.settings import Settings

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A source; without it, every one.")]
Hours = Annotated[
    int,
    typer.Option(
        "--keep-hours", min=168, metavar="N", help="Versions so young stay readable; at least a week."
    ),
]


def register(group: Verbs) -> None:
    """Add the verbs to those of `sources`."""
    group.command("compact")(compact)
    group.command("retire")(retire)
    group.command("vacuum")(vacuum)


def compact(name: Name = None, config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """Join the small files of each date of a source's history into files of up to 128 MB, ordered by its views' key.

    So that a training set of some entities reads some of the files. Rows, positions and versions stay: a training set
    repeats at its version, until `vacuum` takes the old files.

    Example: [bold]headrace sources compact payments[/bold]
    """
    from headrace.offline.caring import in_order

    def one(at: Kept) -> dict[str, Any]:
        removed, added = in_order(at.project, at.source, at.uri, at.options)
        return {"files_before": removed, "files_after": added}

    _each(name, config, json_, ("files_before", "files_after"), one)


def vacuum(
    name: Name = None, keep_hours: Hours = 168, config: Config = DEFAULT_CONFIG, json_: Json = False
) -> None:
    """Delete the files of a source's history that no version of the last week (or longer) points to.

    What was made of older versions can then not be repeated.

    Example: [bold]headrace sources vacuum payments --keep-hours 720[/bold]
    """
    from headrace.history.upkeep import vacuum as clean

    _each(
        name,
        config,
        json_,
        ("deleted",),
        lambda at: {"deleted": len(clean(at.uri, at.options, hours=keep_hours))},
    )


def retire(name: Name = None, config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
    """Take the dates out of a source's history that are older than its `retention=`; `headrace jobs` does it daily.

    Older versions still have them, until `vacuum`. What a window would need of them does not count any more.

    Example: [bold]headrace sources retire payments[/bold]
    """
    import time

    from headrace.offline.caring import let_go

    now = time.time_ns() // 1000
    _each(
        name,
        config,
        json_,
        ("retired",),
        lambda at: {"retired": let_go(at.settings, at.source, at.uri, at.options, now)},
    )


class Kept(NamedTuple):
    """A stream source whose history there is."""

    project: Project
    settings: Settings
    source: StreamSource
    uri: str
    options: dict[str, str]


def _each(
    name: str | None,
    config: Path,
    json_: bool,
    columns: tuple[str, ...],
    act: Callable[[Kept], dict[str, Any]],
) -> None:
    """Act on the history of one stream source or of all that have one, and tell."""
    from headrace.cli.telling import out, table, tell_json
    from headrace.definitions import StreamSource
    from headrace.errors import StateError, UsageError
    from headrace.history.access import options_of
    from headrace.history.storage import table_uri
    from headrace.history.upkeep import is_kept
    from headrace.loading import load
    from headrace.settings import load_settings

    project, settings = load(config), load_settings(config)
    sources = list(project.sources.values()) if name is None else [project.source(name)]
    if name is not None and not isinstance(sources[0], StreamSource):
        raise UsageError(f"`{name}` is a batch source: its files are not ours to change")
    told = []
    for source in sources:
        uri, options = table_uri(settings.history.uri, settings.project, source.name), options_of(settings)
        if isinstance(source, StreamSource) and is_kept(uri, options):
            told.append({"source": source.name, **act(Kept(project, settings, source, uri, options))})
        elif name is not None:
            raise StateError(f"source `{name}` has no history at {uri}")
    if json_:
        tell_json(told)
    else:
        rows = [[one["source"], *(one[c] for c in columns)] for one in told]
        heads = ["source", *(c.replace("_", " ") for c in columns)]
        out().print(table(None, heads, rows) if rows else "No source has a history yet.")
