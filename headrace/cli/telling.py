"""How the command line says things: tables and panels for people, JSON for programs, errors for both."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from headrace.durations import format_instant
from headrace.errors import DefinitionError, HeadraceError, ProjectError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def out() -> Console:
    """What people read, on standard output; plain where that is no terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def tell_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json_text(value, indent=True) + "\n")


def json_text(value: Any, *, indent: bool = False) -> str:
    """JSON in which a feature's value that JSON cannot say is the text that Redis holds."""
    import orjson

    return orjson.dumps(_sayable(value), option=orjson.OPT_INDENT_2 if indent else 0, default=_plain).decode()


def _sayable(value: Any) -> Any:
    """Without what orjson would say in its own way: NaN and the infinities as null, and instants with an offset."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return format_instant((aware - EPOCH) // timedelta(microseconds=1))
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {k: _sayable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(v) for v in value]
    return value


def _plain(value: object) -> object:
    """What JSON cannot say, as the text that Redis would hold."""
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return str(value)


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table in the house's style; values are shown as they are, markup in them included."""
    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    return made


def tell_error(error: HeadraceError, *, as_json: bool) -> None:
    """An error as a panel on standard error, or as a problem document on standard output."""
    if as_json:
        tell_json(problem(error))
        return
    console = Console(stderr=True, highlight=False)
    mistakes = error.errors if isinstance(error, ProjectError) else (error,)
    body = "\n\n".join(_told(m) for m in mistakes)
    title = (
        escape(error.message)
        if isinstance(error, ProjectError)
        else _TITLES.get(type(error).__name__, "Failed")
    )
    console.print(Panel(body, title=title, title_align="left", border_style="red", expand=False))


_TITLES = {
    "UsageError": "This call makes no sense",
    "SettingsError": "Wrong settings",
    "DefinitionError": "Wrong definition",
    "UnavailableError": "Not available",
    "StateError": "State",
}


def _told(error: HeadraceError) -> str:
    if not isinstance(error, DefinitionError):
        return escape(str(error))
    head = " ".join(x for x in (str(error.place), error.definition, error.field) if x)
    lines = [f"[bold]{escape(head)}[/bold]"] if head else []
    lines.append(escape(error.message))
    lines += [f"  [dim]{name}[/dim] {escape(text)}" for name, text in _parts(error) if text]
    if error.hint:
        lines.append(f"  [green]{escape(error.hint)}[/green]")
    return "\n".join(lines)


def _parts(error: DefinitionError) -> tuple[tuple[str, str | None], ...]:
    return (("expected", error.expected), ("got", error.got))


def problem(error: HeadraceError) -> dict[str, Any]:
    """An error as a problem document (RFC 9457): type, title, detail, and each mistake with where it stands."""
    told: dict[str, Any] = {
        "type": f"urn:headrace:error:{type(error).__name__.removesuffix('Error').lower()}",
        "title": _TITLES.get(type(error).__name__, type(error).__name__),
        "detail": str(error),
    }
    if isinstance(error, DefinitionError):
        mistakes = error.errors if isinstance(error, ProjectError) else (error,)
        told["errors"] = [mistake(m) for m in mistakes]
    return told


def mistake(error: DefinitionError) -> dict[str, Any]:
    """One mistake as plain values."""
    return {
        "file": error.place.file,
        "line": error.place.line,
        "definition": error.definition,
        "field": error.field,
        "message": error.message,
        "expected": error.expected,
        "got": error.got,
        "hint": error.hint,
    }
