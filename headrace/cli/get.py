"""`headrace get VIEW KEY...`: online values, typed, with their freshness; `--watch` follows them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Config, Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from headrace.client import FeatureStore, OnlineFeatures
    from headrace.definitions import FeatureView

View = Annotated[str, typer.Argument(metavar="VIEW", help="name or name@version.")]
Keys = Annotated[
    list[str], typer.Argument(metavar="KEY...", help="One entity each: 42, 'UA|LAX', or carrier=UA dest=LAX.")
]
Features = Annotated[
    list[str] | None, typer.Option("--feature", "-f", metavar="NAME", help="Only this; may be repeated.")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow the values until Ctrl-C.")]
Every = Annotated[float, typer.Option("--every", min=0.05, metavar="SECONDS", help="How often to look.")]


def get(
    view: View,
    keys: Keys,
    feature: Features = None,
    watch: Watch = False,
    every: Every = 0.5,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Read features from the online store, with their freshness.

    An entity that was never seen shows the values over no events, and the status `missing`.

    Example: [bold]headrace get customer_spend 42 --watch[/bold]
    """
    from headrace.cli.keys import entities_of
    from headrace.cli.telling import out, tell_json
    from headrace.client import FeatureStore

    with FeatureStore(config) as store:
        found = store.served(view)
        entities = entities_of(found, keys)

        def look() -> list[OnlineFeatures]:
            return store.online(found, entities, feature)

        if watch:
            _watch(store, found, look, every, json_)
        elif json_:
            tell_json([_plain(found, row, time.time_ns() // 1000) for row in look()])
        else:
            out().print(_shown(store, found, look(), time.time_ns() // 1000))


def _watch(store: FeatureStore, view: FeatureView, look: Any, every: float, as_json: bool) -> None:
    """Show the values again and again, until Ctrl-C; as JSON, one line whenever they change."""
    from rich.live import Live

    from headrace.cli.telling import json_text, out

    try:
        if as_json:
            before = ""
            while True:
                rows = look()
                now = json_text([_plain(view, row, 0) for row in rows])
                if now != before:  # as text: a NaN is not equal to itself
                    told = [_plain(view, row, time.time_ns() // 1000) for row in rows]
                    typer.echo(json_text(told))
                before = now
                time.sleep(every)
        with Live(console=out(), auto_refresh=False) as live:
            while True:
                live.update(_shown(store, view, look(), time.time_ns() // 1000), refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return


def age_of(event_time: int | None, now: int) -> float | None:
    """Seconds since the newest event that counts; None if there was none."""
    return None if event_time is None else max(now - event_time, 0) / 1_000_000


def _plain(view: FeatureView, row: OnlineFeatures, now: int) -> dict[str, Any]:
    from headrace.durations import format_instant

    def instant(us: int | None) -> str | None:
        return None if us is None else format_instant(us)

    return {
        "view": view.name,
        "version": view.version,
        "entity": dict(row.entity),
        "features": dict(row.values),
        "status": row.status,
        "event_time": instant(row.event_time),
        "as_of": instant(row.as_of),
        "written_at": instant(row.written_at),
        "age": age_of(row.event_time, now),
    }


def _shown(store: FeatureStore, view: FeatureView, rows: list[OnlineFeatures], now: int) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.text import Text

    from headrace.cli.telling import table

    types = store.project.plan(view).feature_types
    parts: list[RenderableType] = []
    for row in rows:
        key = " ".join(f"{k}={v}" for k, v in row.entity.items())
        age = age_of(row.event_time, now)
        fresh = "never seen" if row.status == "missing" else _freshness(age, row.written_at, now)
        style = "yellow" if row.status == "missing" else "green"
        parts.append(
            Text.from_markup(
                f"[bold cyan]{view.id}[/bold cyan] {escape(key)}  [{style}]{row.status}[/{style}]  [dim]{fresh}[/dim]"
            )
        )
        values = [(n, "null" if v is None else str(v), types[n]) for n, v in row.values.items()]
        parts.append(table(None, ["feature", "value", "type"], values))
    return Group(*parts)


def _freshness(age: float | None, written_at: int | None, now: int) -> str:
    newest = f"newest event {spoken(age)} ago" if age is not None else "no event yet"
    written = age_of(written_at, now)
    return newest if written is None else f"{newest}, written {spoken(written)} ago"


def spoken(seconds: float) -> str:
    """A length of time in one or two units, as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
