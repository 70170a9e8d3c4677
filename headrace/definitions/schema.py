"""Where a source's columns come from: an Avro schema (path, JSON text, dict, subject) or typed names.

Owns reading what was given and the columns it declares. Refuses to talk to a registry: a subject's schema is
handed in by whoever can reach one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from headrace.avro import AvroSchema, parse_schema
from headrace.avro.nodes import is_null
from headrace.declaring import Mistakes, declaring
from headrace.definitions import rules
from headrace.errors import DefinitionError, SchemaError, did_you_mean
from headrace.types import DataType


@dataclass(frozen=True)
class Subject:
    """A schema kept in a Schema Registry under `name`; the newest version unless one is named."""

    name: str
    version: int | None = None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name} version {self.version}"


def _subject(name: str, version: int | None = None) -> Subject:
    """The schema of a Schema Registry's subject, such as ``hr.subject("payments-value")``."""
    if not isinstance(name, str) or not name.strip():
        raise DefinitionError(
            "subject() takes a subject's name", expected="a text such as 'payments-value'", got=repr(name)
        )
    return Subject(name, version)


_subject.__name__ = "subject"
subject = declaring(_subject, lambda mistakes: Subject("broken"))

SchemaGiven: TypeAlias = str | Path | Mapping[str, Any] | Subject


@dataclass(frozen=True)
class Columns:
    """A source's columns in order, which of them may be null, and the Avro schema if there is one."""

    types: Mapping[str, DataType]
    nullable: frozenset[str]
    avro: AvroSchema | None = None

    @property
    def always_null(self) -> frozenset[str]:
        """The columns that the schema allows nothing but null."""
        return (
            frozenset(f.name for f in self.avro.root.fields if is_null(f.node)) if self.avro else frozenset()
        )


def read_columns(given: object, format: str, base: Path, mistakes: Mistakes) -> Columns | None:
    """The columns of a schema as given, or None where that is not known (a subject) or wrong."""
    if isinstance(given, Subject):
        return None
    if isinstance(given, Mapping) and any(isinstance(v, DataType | type) for v in given.values()):
        return _typed(given, format, mistakes)
    if isinstance(given, Mapping) and not given:
        mistakes.add("a schema without columns", field="schema", got="{}")
        return None
    if isinstance(given, Mapping):
        return from_avro(given, mistakes)
    if not isinstance(given, str | Path):
        mistakes.add(
            "not a schema",
            field="schema",
            expected="a path, a JSON text, a dict or hr.subject('payments-value')",
            got=repr(given),
        )
        return None
    text = str(given)
    if text.lstrip().startswith(("{", "[", '"')):
        return _parsed(text, "the JSON text", mistakes)
    file = base / text
    if not file.is_file():
        mistakes.add(
            "no such schema file",
            field="schema",
            expected="a path relative to the config folder",
            got=repr(text),
            hint=_like(file, base),
        )
        return None
    try:
        return _parsed(file.read_text("utf-8"), f"`{text}`", mistakes)
    except (OSError, UnicodeDecodeError) as error:
        mistakes.add(f"the schema file cannot be read: {error}", field="schema", got=repr(text))
        return None


def _like(file: Path, base: Path) -> str | None:
    """The nearest schema file that does exist, as a sentence."""
    there = [p.relative_to(base).as_posix() for p in base.rglob("*.avsc")] if base.is_dir() else []
    try:
        return did_you_mean(file.relative_to(base).as_posix(), there)
    except ValueError:
        return None


def _typed(given: Mapping[Any, Any], format: str, mistakes: Mistakes) -> Columns | None:
    if format != "json":
        mistakes.add(
            "names with types describe JSON, not Avro",
            field="schema",
            expected="an Avro schema: a path, a JSON text, a dict or hr.subject('payments-value')",
            hint="Say format='json', or give the Avro schema.",
        )
        return None
    types = rules.typed_names(given, mistakes, field="schema", example="names with types")
    return Columns(types, frozenset(types))


def _parsed(text: str, what: str, mistakes: Mistakes) -> Columns | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        mistakes.add(
            f"{what} is not JSON: {error.msg} at line {error.lineno} column {error.colno}", field="schema"
        )
        return None
    return from_avro(value, mistakes)


def from_avro(value: object, mistakes: Mistakes) -> Columns | None:
    """The columns of an Avro schema, parsed or as its JSON says; it must be a record."""
    if not isinstance(value, AvroSchema | Mapping):
        mistakes.add(
            "an event's schema is a record",
            field="schema",
            expected='{"type": "record", "name": ..., "fields": [...]}',
            got=repr(value),
        )
        return None
    try:
        schema = value if isinstance(value, AvroSchema) else parse_schema(value)
    except SchemaError as error:
        mistakes.take(error, field="schema")
        return None
    reserved = [c for c in schema.columns if c.lower() in rules.OWN_COLUMNS]
    for column in reserved:
        mistakes.add(
            "the schema has a column that history adds itself",
            field=f"schema.{column}",
            expected=f"none of {', '.join(sorted(rules.OWN_COLUMNS))}",
            got=f"`{column}`",
        )
    rules.unique(schema.columns, mistakes, field="schema", what="columns")
    return Columns(schema.columns, frozenset(schema.nullable), schema)
