"""The demo in a terminal: figures above, the features of a few entities below, changes in colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.demo.freshness import Freshness
from app.demo.observing import Entity, Snapshot
from app.demo.shown import Shown
from headrace.types import FLOATS, Timestamp

GAP = 2


def screen(snapshot: Snapshot) -> RenderableType:
    """A snapshot as the terminal shows it, as wide as that is."""
    return Group(_figures(snapshot), *(_View(view, entities) for view, entities in snapshot.views))


def line(snapshot: Snapshot) -> str:
    """A snapshot as one line, for what is no terminal: figures, then an entity of each view with three features."""
    parts = [f"{name} {value}" for name, value in figures(snapshot)]
    for view, entities in snapshot.views:
        entity = next((e for e in entities if e.values), None)
        if entity is not None:
            names = [n for n in view.plan.feature_types if n in entity.values][:3]
            told = " ".join(f"{n}={text(view, n, entity.values)}" for n in names)
            parts.append(f"{view.plan.view.name} {entity.key}: {told}")
    return " | ".join(parts)


def figures(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The figures with their names."""
    return [
        ("sent", f"{snapshot.sent:,}"),
        ("rate", f"{snapshot.rate:,.0f}/s" + (" burst" if snapshot.bursting else "")),
        ("lag", "-" if snapshot.lag is None else f"{snapshot.lag:,}"),
        ("freshness", freshness_text(snapshot.freshness)),
        ("history", f"{snapshot.history_events:,} in {snapshot.history_commits} commits"),
    ]


def freshness_text(freshness: Freshness) -> str:
    """p50 and p99 in milliseconds."""
    if freshness.p50 is None or freshness.p99 is None:
        return "-"
    return f"p50 {freshness.p50 * 1000:.0f} ms p99 {freshness.p99 * 1000:.0f} ms"


def text(view: Shown, feature: str, values: Mapping[str, str]) -> str:
    """A feature's value as people read it: floats and instants shortened, null as a dash."""
    found = values.get(feature)
    if found is None:
        return "-"
    type = view.plan.feature_types[feature]
    if type in FLOATS:
        return f"{float(found):.4g}"
    return found[11:19] if type == Timestamp else found


def _figures(snapshot: Snapshot) -> Text:
    out = Text()
    for name, value in figures(snapshot):
        style = "bold yellow" if "burst" in value else "bold cyan"
        out.append(f"{name} ", "dim").append(value, style).append("   ")
    return out


class _View:
    """A view's entities as a table with as many features as fit."""

    def __init__(self, view: Shown, entities: Sequence[Entity]) -> None:
        self.view = view
        self.entities = entities

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        cells = {
            name: [text(self.view, name, e.values) for e in self.entities]
            for name in self.view.plan.feature_types
        }
        first = max(len(self.view.plan.view.name), *(len(e.key) for e in self.entities))
        left = options.max_width - first - GAP
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
        table.add_column(escape(self.view.plan.view.name), style="bold", no_wrap=True)
        fitting = []
        for name, texts in cells.items():
            # Room for a value to grow, so that columns do not come and go.
            left -= max(len(name), max(map(len, texts), default=0) + 1, 7) + GAP
            if left < 0:
                break
            fitting.append(name)
            table.add_column(escape(name), justify="right", no_wrap=True)
        for number, entity in enumerate(self.entities):
            row = [_changed(entity, name, cells[name][number]) for name in fitting]
            table.add_row(escape(entity.key), *row)
        yield table


def _changed(entity: Entity, feature: str, shown: str) -> Text:
    if not entity.before or entity.values.get(feature) == entity.before.get(feature):
        return Text(shown)
    return Text(shown, "bold green")
