"""`headrace plan`: what the definitions mean, before anything runs: types, windows, steps, topics, mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json

if TYPE_CHECKING:
    from headrace.project import Project
    from headrace.settings import Settings


Against = Annotated[
    Path | None, Option("--against", help="A config folder as it was: say which views keep their state.")
]


def plan(config: Config = DEFAULT_CONFIG, json_: Json = False, against: Against = None) -> None:
    """Check the definitions and show what they mean.

    For every view: its entity, source and topics, whether its events are shuffled, and for each feature its
    type, window and step. Transforms and Python functions are tried on made-up rows: they must be row-wise.
    Every mistake is shown at once, with file and line; the exit code is then 1.

    Example: [bold]headrace plan --json | jq '.views\\[].features | keys'[/bold]
    """
    from headrace.cli.telling import tell_json
    from headrace.loading import load
    from headrace.settings import load_settings

    settings = load_settings(config)
    project = load(config)
    told = planned(project, settings)
    if against is not None:
        told["changes"] = changes(load(against), project)
    if json_:
        tell_json(told)
    else:
        _show(told)


def planned(project: Project, settings: Settings) -> dict[str, Any]:
    """The plan as plain values: entities, sources, views with types, windows and topics, services, notes."""
    from headrace.definitions import FeatureView
    from headrace.describing import describe
    from headrace.errors import ProjectError
    from headrace.plan.row_wise import check_row_wise
    from headrace.topics import changelog_topic, repartition_topic, update_topic

    tried = [check_row_wise(project.plan(view)) for view in project.views.values()]
    if wrong := [error for error in tried if error is not None]:
        raise ProjectError(wrong)
    views = []
    for view in project.views.values():
        compiled = project.plan(view)
        told = describe(view, compiled)
        name = (settings.project, view.name, view.version)
        told["changelog"] = changelog_topic(*name) if view.online else None
        told["repartition"] = repartition_topic(*name) if compiled.shuffled and view.online else None
        told["updates"] = update_topic(settings.project, view.name) if view.id in project.published else None
        if isinstance(view.source, FeatureView):
            told["topics"] = [update_topic(settings.project, view.source.name)]
        views.append(told)
    return {
        "project": settings.project,
        "entities": [describe(e) for e in project.entities.values()],
        "sources": [describe(s) for s in project.sources.values()],
        "views": views,
        "on_demand": [describe(v) for v in project.on_demand.values()],
        "services": [describe(s) for s in project.services.values()],
        "notes": notes(project),
    }


def changes(before: Project, after: Project) -> list[dict[str, Any]]:
    """Of each view in either project: whether it is new, gone, the same, or needs a new version, and why."""
    from headrace.plan.change import change_of

    was = {view.id: view for view in before.views.values()}
    now = {view.id: view for view in after.views.values()}
    found: list[dict[str, Any]] = []
    for id in sorted({*was, *now}):
        if id not in was or id not in now:
            found.append({"view": id, "change": "new" if id in now else "gone", "reasons": []})
        else:
            change = change_of(was[id], now[id])
            kept = "keeps its state" if change.keeps_state else "needs a new version"
            found.append({"view": id, "change": kept, "reasons": list(change.reasons)})
    return found


def notes(project: Project) -> list[str]:
    """What is no mistake but worth knowing."""
    from headrace.definitions import FeatureView

    used = {v.source.name for v in project.views.values() if not isinstance(v.source, FeatureView)}
    found = [
        f"source `{s}` feeds no view; history keeps its events" for s in project.sources if s not in used
    ]
    used = {v.entity.name for v in project.views.values()}
    found += [f"entity `{e}` has no view" for e in project.entities if e not in used]
    if not project.views:
        found.append("there is no view yet")
    return found


def _show(told: dict[str, Any]) -> None:
    from rich.markup import escape

    from headrace.cli.telling import out, table

    console = out()
    for view in told["views"]:
        keys = ", ".join(f"{k} {t}" for k, t in view["keys"].items())
        console.print(
            f"\n[bold cyan]{view['name']}@{view['version']}[/bold cyan]  {escape(view.get('description', ''))}"
        )
        rows = [
            ("entity", f"{view['entity']} ({keys})"),
            (
                "source",
                f"{view['source']} (topics {', '.join(view['topics'])})"
                if view["topics"]
                else view["source"],
            ),
            ("chain", " -> ".join(view.get("chain", ()))),
            ("where", view["where"]),
            ("columns", ", ".join(f"{k} = {v}" for k, v in view["columns"].items())),
            ("transform", view["transform"]),
            ("shuffled", f"through {view['repartition']}" if view["repartition"] else "no"),
            ("changelog", view["changelog"]),
            ("updates", view["updates"]),
            ("ttl", view["ttl"]),
            ("at", view.get("place")),
        ]
        for name, value in rows:
            if value:
                console.print(f"  [dim]{name:<10}[/dim]{escape(str(value))}")
        console.print(
            table(
                None,
                ["  feature", "type", "value", "window", "step"],
                [
                    (
                        f"  {name}",
                        f["type"],
                        f["value"],
                        " / ".join(f["windows"]),
                        " / ".join(s or "-" for s in f["steps"]),
                    )
                    for name, f in view["features"].items()
                ],
            )
        )
    for change in told.get("changes", ()):
        why = f": {escape('; '.join(change['reasons']))}" if change["reasons"] else ""
        color = "red" if change["reasons"] else "green"
        console.print(f"[{color}]change[/{color}] {change['view']} {change['change']}{why}")
    for note in told["notes"]:
        console.print(f"[yellow]note[/yellow] {escape(note)}")
    counts = ", ".join(
        f"{len(told[many])} {one if len(told[many]) == 1 else many}"
        for one, many in (
            ("entity", "entities"),
            ("source", "sources"),
            ("view", "views"),
            ("service", "services"),
        )
    )
    console.print(f"[green]no mistakes[/green]: {counts}")
