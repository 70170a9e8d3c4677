"""What only a file's text can tell: the line of one field of a definition, and a name written twice in one dict.

Python knows where a call begins, not where its arguments stand, and silently merges equal keys. Reads files that
did run already; knows nothing of definitions but the names of their arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.declaring import told_file
from headrace.errors import DefinitionError, Place

DICTS = {"features", "columns", "keys", "adds", "schema", "tags"}
"""Arguments whose dict must not have a name twice."""


@dataclass
class Lines:
    """The calls of one config folder's files, by file and first line."""

    root: Path
    calls: dict[tuple[str, int], list[ast.Call]] = field(default_factory=dict)

    def read(self, file: Path) -> Iterator[DefinitionError]:
        """Learn a file; one mistake for each name that stands twice in one dict. Nothing if it does not parse."""
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except (SyntaxError, ValueError):
            return
        told = told_file(str(file), self.root)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            self.calls.setdefault((told, call.lineno), []).append(call)
            for keyword in call.keywords:
                if keyword.arg in DICTS and isinstance(keyword.value, ast.Dict):
                    yield from _repeated(call, keyword.arg, keyword.value, told)

    def refine(self, mistake: DefinitionError) -> None:
        """Move a mistake from the line of its definition to that of its field, where the text shows it."""
        first, *rest = (mistake.field or "").split(".")
        place = mistake.place
        for call in self.calls.get((place.file or "", place.line or 0), ()):
            for keyword in call.keywords:
                if keyword.arg == first:
                    line = _line_of(keyword.value, rest) or keyword.value.lineno
                    mistake.place = Place(place.file, line)
                    return


def _line_of(value: ast.expr, rest: list[str]) -> int | None:
    if rest and isinstance(value, ast.Dict):
        for key in value.keys:
            if isinstance(key, ast.Constant) and key.value == rest[0]:
                return key.lineno
    return None


def _repeated(call: ast.Call, field: str, given: ast.Dict, file: str) -> Iterator[DefinitionError]:
    met: dict[str, int] = {}
    for key in given.keys:
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            continue
        if key.value in met:
            yield DefinitionError(
                f"`{key.value}` is there twice",
                definition=_definition(call),
                field=f"{field}.{key.value}",
                expected="each name once",
                got=f"another at line {met[key.value]}",
                hint="Python would keep only the last.",
                place=Place(file, key.lineno),
            )
        met.setdefault(key.value, key.lineno)


def _definition(call: ast.Call) -> str | None:
    kind = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    named = [k.value for k in call.keywords if k.arg == "name"] + call.args[:1]
    name = named[0].value if named and isinstance(named[0], ast.Constant) else None
    return f"{kind} {name}" if kind and isinstance(name, str) else kind
