"""Finds two features (or columns, or keys) of one name written in one dict, which Python would silently merge."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from headrace.declaring import told_file
from headrace.errors import DefinitionError, Place

FIELDS = {"features", "columns", "keys", "adds", "schema", "tags"}


def repeated_keys(file: Path, root: Path) -> Iterator[DefinitionError]:
    """One mistake for each repeated text in a dict that is given to one of `FIELDS`; none if it does not parse."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError):
        return
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        for keyword in call.keywords:
            if keyword.arg in FIELDS and isinstance(keyword.value, ast.Dict):
                yield from _repeated(call, keyword.arg, keyword.value, told_file(str(file), root))


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
