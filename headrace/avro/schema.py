"""`parse_schema`: an Avro schema as text or JSON, checked, with the columns that it gives.

fastavro checks the schema's form; what it lets through and columns cannot carry is refused here. Reads no file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fastavro
import fastavro.schema

from headrace.avro.mapping import data_type, nullable
from headrace.avro.nodes import Field, Record, build
from headrace.errors import SchemaError
from headrace.types import DataType


@dataclass(frozen=True, eq=False)
class AvroSchema:
    """A record schema and its columns. Equal if the canonical form and what it leaves out (defaults, logical types,
    aliases) are equal.

    `raw`: the schema's JSON as given. `columns`: the top-level record's fields in order, with their types.
    `nullable`: those of them that may be null. `root`: the schema's tree.
    """

    raw: Mapping[str, Any]
    parsed: Mapping[str, Any]
    root: Record
    columns: Mapping[str, DataType]
    nullable: frozenset[str]

    @cached_property
    def canonical(self) -> str:
        """The parsing canonical form (Avro specification), as text."""
        return str(fastavro.schema.to_parsing_canonical_form(json.loads(json.dumps(self.raw))))

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the canonical form, in hex."""
        return str(fastavro.schema.fingerprint(self.canonical, "SHA-256"))

    @property
    def name(self) -> str:
        """The record's full name."""
        return self.root.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AvroSchema) and self.root == other.root

    def __hash__(self) -> int:
        return hash((self.root.name, tuple(self.columns)))


def parse_schema(schema: str | Mapping[str, Any], *, name_hint: str | None = None) -> AvroSchema:
    """The schema of a topic's values, from its JSON text or what that text says.

    `name_hint` names a record that has no name. SchemaError says what is wrong: text that is not JSON, a form that
    Avro does not know, a top level that is not a record, a type that contains itself, or one without a column type.
    """
    raw = _json(schema)
    if not isinstance(raw, dict) or raw.get("type") not in ("record", "error"):
        kind = raw.get("type") if isinstance(raw, dict) else raw
        raise SchemaError(
            "an event's schema is a record",
            expected='{"type": "record", "name": ..., "fields": [...]}',
            got=repr(kind),
        )
    if "name" not in raw and name_hint is not None:
        raw = {**raw, "name": name_hint}
    try:
        parsed = fastavro.parse_schema(json.loads(json.dumps(raw)), _write_hint=False)
    except fastavro.schema.UnknownType as error:
        raise SchemaError(
            f"the type `{error.name}` is unknown", hint="A named type is defined where it is first used"
        ) from None
    except (fastavro.schema.SchemaParseException, KeyError, TypeError, AttributeError, ValueError) as error:
        text = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
        raise SchemaError(f"the Avro schema does not parse: {text}") from None
    root = build(parsed)
    assert isinstance(root, Record)
    if not root.fields:
        raise SchemaError("the schema has no fields", expected="at least one field")
    columns = {f.name: _column(f) for f in root.fields}
    may_be_null = frozenset(f.name for f in root.fields if nullable(f.node))
    return AvroSchema(raw, parsed, root, columns, may_be_null)


def _json(schema: str | Mapping[str, Any]) -> Any:
    if not isinstance(schema, str):
        return schema
    try:
        return json.loads(schema)
    except json.JSONDecodeError as error:
        raise SchemaError(f"the schema is not JSON: {error}", got=repr(schema[:40])) from None


def _column(field: Field) -> DataType:
    try:
        return data_type(field.node)
    except SchemaError as error:
        raise error.located(field=field.name) from None
