"""The syntax tree of an expression: what was written, before any name or type is looked at.

Owns the shapes that `grammar` builds and `bind` reads. Knows no schema, no function and no Polars.
Operators are calls under the name they are written with (``+``, ``and``, ``in``), so that one registry
holds every operation.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.types import DataType


@dataclass(frozen=True)
class Node:
    """A piece of syntax; `pos` is its first character in the text, counted from 0."""

    pos: int


@dataclass(frozen=True)
class Literal(Node):
    """A constant: its Python value (an interval's: months, or microseconds) and Spark type."""

    value: object
    type: DataType


@dataclass(frozen=True)
class Name(Node):
    """A possibly dotted name, unquoted: ``geo.lat`` is ``("geo", "lat")``."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Member(Node):
    """``base.name`` where base is no plain name."""

    base: Node
    name: str


@dataclass(frozen=True)
class Index(Node):
    """``base[index]``."""

    base: Node
    index: Node


@dataclass(frozen=True)
class Call(Node):
    """A function or operator with its arguments."""

    name: str
    args: tuple[Node, ...]
    operator: bool = False


@dataclass(frozen=True)
class Cast(Node):
    """``cast(arg as type)``; `attempt` for try_cast."""

    arg: Node
    type: DataType
    attempt: bool = False


@dataclass(frozen=True)
class Case(Node):
    """``case when .. then .. [else ..] end``; the form with an operand is rewritten to comparisons."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True)
class Lambda(Node):
    """``(x, y) -> body``."""

    params: tuple[str, ...]
    body: Node
