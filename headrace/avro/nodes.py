"""An Avro schema as a tree of immutable nodes, names resolved. Knows no column type and no bytes.

Terms are those of the Apache Avro 1.12 specification. A schema that contains itself has no tree and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from headrace.errors import SchemaError

Kind = Literal["null", "boolean", "int", "long", "float", "double", "string", "bytes"]

PRIMITIVES: tuple[Kind, ...] = ("null", "boolean", "int", "long", "float", "double", "string", "bytes")


@dataclass(frozen=True)
class Logical:
    """A logical type that Headrace knows, valid for the type it annotates; `precision` and `scale` of a decimal."""

    name: str
    precision: int = 0
    scale: int = 0


class _Missing:
    def __repr__(self) -> str:
        return "no default"


MISSING = _Missing()
"""Stands where a field has no default (None is a default)."""


@dataclass(frozen=True)
class Primitive:
    kind: Kind
    logical: Logical | None = None


@dataclass(frozen=True)
class Fixed:
    name: str
    size: int
    logical: Logical | None = None


@dataclass(frozen=True)
class Enum:
    name: str
    symbols: tuple[str, ...]
    default: str | None = None


@dataclass(frozen=True)
class Array:
    items: Node


@dataclass(frozen=True)
class Map:
    values: Node


@dataclass(frozen=True)
class Field:
    """A record's field; `default` is the schema's JSON, or MISSING."""

    name: str
    node: Node
    default: Any = MISSING
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Union:
    branches: tuple[Node, ...]

    @property
    def null(self) -> int | None:
        """The index of the null branch, if there is one."""
        return next((i for i, b in enumerate(self.branches) if is_null(b)), None)

    @property
    def others(self) -> tuple[tuple[int, Node], ...]:
        """The branches that are not null, with their indices."""
        return tuple((i, b) for i, b in enumerate(self.branches) if not is_null(b))

    @property
    def optional(self) -> Node | None:
        """T of a union of null and one T, in either order; else None."""
        return self.others[0][1] if len(self.branches) == 2 and self.null is not None else None


Node: TypeAlias = Primitive | Fixed | Enum | Array | Map | Record | Union


def is_null(node: Node) -> bool:
    return isinstance(node, Primitive) and node.kind == "null"


def spelled(node: Node) -> str:
    """A node in a few words, for messages: ``union of null and string``."""
    match node:
        case Primitive(kind, logical):
            return kind if logical is None else f"{kind} ({logical.name})"
        case Fixed(name, size, logical):
            return f"fixed({size}) {name}" if logical is None else f"fixed({size}) {name} ({logical.name})"
        case Array(items):
            return f"array of {spelled(items)}"
        case Map(values):
            return f"map of {spelled(values)}"
        case Union(branches):
            return "union of " + " and ".join(spelled(b) for b in branches)
    return f"{type(node).__name__.lower()} {node.name}"


def build(parsed: Any) -> Node:
    """The tree of a schema that fastavro has parsed (names are full). SchemaError if it contains itself."""
    return _Builder().node(parsed, "")


class _Builder:
    def __init__(self) -> None:
        self.named: dict[str, Node | None] = {}  # None: being built

    def node(self, schema: Any, path: str) -> Node:
        if isinstance(schema, list):
            return _union(tuple(self.node(b, path) for b in schema), path)
        if isinstance(schema, str):
            return self._reference(schema, path)
        kind = schema["type"]
        match kind:
            case "record" | "error":
                self.named[schema["name"]] = None
                fields = tuple(self._field(f, path) for f in schema["fields"])
                _check_names(fields, path)
                return self._name(Record(schema["name"], fields))
            case "enum":
                return self._name(Enum(schema["name"], tuple(schema["symbols"]), schema.get("default")))
            case "fixed":
                return self._name(Fixed(schema["name"], schema["size"], _logical(schema, "fixed")))
            case "array":
                return Array(self.node(schema["items"], path + "[]"))
            case "map":
                return Map(self.node(schema["values"], path + "{}"))
        if isinstance(kind, str) and kind in PRIMITIVES:
            return Primitive(kind, _logical(schema, kind))
        raise SchemaError("a type is not what Avro knows", field=path or None, got=repr(schema))

    def _field(self, field: Mapping[str, Any], path: str) -> Field:
        inner = f"{path}.{field['name']}" if path else str(field["name"])
        node = self.node(field["type"], inner)
        return Field(field["name"], node, field.get("default", MISSING), tuple(field.get("aliases", ())))

    def _name(self, node: Record | Enum | Fixed) -> Node:
        self.named[node.name] = node
        return node

    def _reference(self, name: str, path: str) -> Node:
        if name in PRIMITIVES:
            return Primitive(name)
        found = self.named.get(name)
        if found is None:
            raise SchemaError(
                f"the type `{name}` contains itself",
                field=path or None,
                expected="a schema of finite depth",
                hint="Columns have a fixed depth: carry the recursive part as bytes or as JSON text",
            )
        return found


def _union(branches: tuple[Node, ...], path: str) -> Union:
    """A union, if Avro allows it: not empty, no union inside, and no two branches that a name cannot tell apart."""
    kinds = [
        b.kind if isinstance(b, Primitive) else b.name if isinstance(b, Fixed | Enum | Record) else type(b)
        for b in branches
    ]
    wrong = (
        "a union of nothing"
        if not branches
        else "a union directly inside a union"
        if Union in kinds
        else "a union with one type twice"
        if len(set(kinds)) < len(kinds)
        else None
    )
    if wrong is not None:
        raise SchemaError(wrong, field=path or None, expected="branches of different types")
    return Union(branches)


def _check_names(fields: tuple[Field, ...], path: str) -> None:
    seen: set[str] = set()
    for field in fields:
        where = f"{path}.{field.name}" if path else field.name
        if not _NAME.fullmatch(field.name):
            raise SchemaError(
                f"`{field.name}` is not a name", field=where, expected="letters, digits and _, no digit first"
            )
        if field.name in seen:
            raise SchemaError(
                f"the field `{field.name}` is there twice", field=where, expected="unique names"
            )
        seen.add(field.name)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_CARRIERS = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
    "decimal": ("bytes", "fixed"),
    "uuid": ("string", "fixed"),
    "duration": ("fixed",),
}


def _logical(schema: Mapping[str, Any], kind: str) -> Logical | None:
    """The schema's logical type; None where it is unknown or does not fit its type (then it is to be ignored)."""
    name = schema.get("logicalType")
    if not isinstance(name, str) or kind not in _CARRIERS.get(name, ()):
        return None
    if name == "decimal":
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        fits = isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision
        return Logical(name, precision, scale) if fits and precision else None
    if kind == "fixed" and schema["size"] != {"uuid": 16, "duration": 12}[name]:
        return None
    return Logical(name)
