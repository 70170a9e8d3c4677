"""The tables of supported functions, and of those that are not, in docs/expressions.md, written from the registry.

``python -m headrace.expressions.support docs/expressions.md`` brings the document up to date; a test says
when it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from headrace.expressions.catalogue import SupportedFunction, supported_functions
from headrace.expressions.refused import ABSENT, AGGREGATES, CLOCK, GENERATORS, SESSION, WINDOWS

BEGIN = "<!-- functions: written by `python -m headrace.expressions.support docs/expressions.md` -->"
END = "<!-- end of functions -->"
NOT_SUPPORTED = (
    ("not there; a function of your own may take the name", ABSENT),
    ("over several rows: see the aggregates of a view", AGGREGATES),
    ("over several rows, in an order", WINDOWS),
    ("makes several rows of one", GENERATORS),
    ("depends on when or where it is computed", CLOCK | SESSION),
)
HEAD = "| function | takes | gives | notes |\n| --- | --- | --- | --- |\n"


def table() -> str:
    """Markdown: a table for each group, functions by name."""
    rows = supported_functions()
    parts = [f"{len(rows)} functions, {sum(1 + len(r.aliases) for r in rows)} names.\n"]
    for group, members in groupby(rows, key=lambda r: r.group):
        lines = "".join(_line(r) for r in members)
        parts.append(f"### {group.capitalize()}\n\n{HEAD}{lines}")
    refused = "".join(f"| {why} | {_names(names)} |\n" for why, names in NOT_SUPPORTED)
    parts.append(f"### Not supported\n\n| why | functions of Spark |\n| --- | --- |\n{refused}")
    return "\n".join(parts)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in sorted(names))


def _line(r: SupportedFunction) -> str:
    names = ", ".join(f"`{n}`" for n in (r.name, *r.aliases))
    takes = f"{r.arity}: {r.arguments}" if r.arguments else r.arity
    notes = "; ".join(x for x in (r.notes, "by value" if r.by_value else "") if x)
    cells = (names, takes, r.result, notes)
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n"


def updated(document: str) -> str:
    """`document` with the current table between its two marks. Raises ValueError if a mark is missing."""
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the document lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
