"""What there is to call: the supported functions as a table, and whether a name is taken.

Owns the questions that are asked of the registry once it is full. Compiles nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.expressions.coercion import describe
from headrace.expressions.functions import load
from headrace.expressions.refused import reason_to_refuse
from headrace.expressions.registry import operations


def is_built_in(name: str) -> bool:
    """Whether Spark has a function of this name that we support, or refuse for what it is."""
    load()
    return name.lower() in operations() or reason_to_refuse(name.lower()) is not None


@dataclass(frozen=True)
class SupportedFunction:
    """One row of the table of supported functions."""

    name: str
    aliases: tuple[str, ...]
    group: str
    arity: str
    arguments: str
    result: str
    by_value: bool
    notes: str


def supported_functions() -> list[SupportedFunction]:
    """Every supported function (not the operators), by group and name."""
    load()
    unique = {id(o): o for o in operations().values() if not o.operator}.values()
    rows = [
        SupportedFunction(
            o.name,
            o.names[1:],
            o.group,
            o.arity,
            ", ".join(describe(p) for p in o.params),
            o.result,
            o.by_value,
            o.notes,
        )
        for o in unique
    ]
    return sorted(rows, key=lambda r: (r.group, r.name))
