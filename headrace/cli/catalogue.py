"""`headrace views | sources | entities | services`, each with `list` and `show NAME`, and the upkeep of sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import upkeep
from headrace.cli.typed import DEFAULT_CONFIG, Config, Json, Verbs, verbs

if TYPE_CHECKING:
    from headrace.client import FeatureStore

KINDS = {
    "views": ("view", "Views: what is computed.", ("name", "version", "entity", "source", "features")),
    "sources": ("source", "Sources: where events come from.", ("name", "kind", "topics", "key", "timestamp")),
    "entities": ("entity", "Entities: what features describe.", ("name", "keys", "description")),
    "services": ("service", "Services: what a model reads.", ("name", "features", "description")),
}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


def register(app: Verbs) -> None:
    """Add a group of verbs for each kind of definition."""
    for kind, (one, help, columns) in KINDS.items():
        group = verbs(help)
        _list(group, kind, columns)
        _show(group, kind, one)
        if kind == "sources":
            upkeep.register(group)
        app.add_typer(group, name=kind)


def _list(group: Verbs, kind: str, columns: tuple[str, ...]) -> None:
    @group.command("list", help=f"List the {kind}.\n\nExample: [bold]headrace {kind} list --json[/bold]")
    def list_(config: Config = DEFAULT_CONFIG, json_: Json = False) -> None:
        from headrace.cli.telling import out, table, tell_json
        from headrace.client import FeatureStore

        found: list[dict[str, Any]] = getattr(FeatureStore(config), f"list_{kind}")()
        if json_:
            tell_json(found)
            return
        rows = [[_short(one.get(column)) for column in columns] for one in found]
        out().print(table(None, columns, rows) if rows else f"There are no {kind} yet.")


def _show(group: Verbs, kind: str, one: str) -> None:
    example = f"[bold]headrace {kind} show NAME[/bold]"
    version = " NAME may be name@version; without it the newest." if kind == "views" else ""

    @group.command("show", help=f"Show one {one} in full.{version}\n\nExample: {example}")
    def show(
        name: Name,
        config: Config = DEFAULT_CONFIG,
        json_: Json = False,
    ) -> None:
        from headrace.cli.telling import tell_json
        from headrace.client import FeatureStore

        store: FeatureStore = FeatureStore(config)
        found: dict[str, Any] = getattr(store, f"get_{one}")(name)
        if json_:
            tell_json(found)
        else:
            _tell(found)


def _short(value: object) -> object:
    """A value in one cell."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" if isinstance(v, str) else k for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(_short_item(item) for item in value)
    return value


def _short_item(item: object) -> str:
    return f"{item['view']}:{item['feature']}" if isinstance(item, dict) and "feature" in item else str(item)


def _tell(found: dict[str, Any]) -> None:
    from rich.markup import escape

    from headrace.cli.telling import out, table

    console = out()
    console.print(f"[bold cyan]{escape(found['name'])}[/bold cyan]")
    deep = {}
    for name, value in found.items():
        if isinstance(value, dict) and name not in ("keys", "tags"):
            deep[name] = value
        elif value not in (None, "", [], {}) and name != "name":
            console.print(f"  [dim]{name:<12}[/dim]{escape(str(_short(value)))}")
    for name, value in deep.items():
        rows = [(k, _feature(v) if isinstance(v, dict) else v) for k, v in value.items()]
        if rows:
            console.print(table(None, [name, ""], rows))


def _feature(told: dict[str, Any]) -> str:
    steps = [s for s in told.get("steps", ()) if s]
    text = f"{told['type']}  {told['value']}" if "type" in told else str(told.get("value", told))
    text += f" over {' / '.join(told['windows'])}" if "windows" in told else ""
    return f"{text}  (step {' / '.join(steps)})" if steps else text
