"""The small rules that several definitions share: names, labels, durations, types, topics, words about them.

Each takes what was given and the mistakes to add to, and returns the value to keep (a harmless one after a
mistake, so that checking goes on). Knows no single definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from headrace.declaring import Mistakes
from headrace.durations import WrongValueError, parse_duration, parse_instant
from headrace.types import DataType, Decimal, List, Map, Null, Primitive, Struct

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")

_WORDS = """
and as asc between by case cast cross desc distinct else end exists false from full group having in inner interval
is join left like limit not null on or order outer right select some then true union using when where with
"""
RESERVED = frozenset(_WORDS.split())
"""Words that SQL would not read as a column."""

OWN_COLUMNS = frozenset({"_topic", "_partition", "_offset", "_timestamp", "_ingested_at", "_date"})
"""Columns that history adds to every source."""


def name(value: object, mistakes: Mistakes, *, field: str = "name", what: str = "a name") -> str:
    """A name of spec section 1: a letter, then up to 62 letters, digits and underscores."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    hint = None
    if isinstance(value, str) and value.startswith("_"):
        hint = "Names that begin with `_` belong to Headrace."
    elif isinstance(value, str) and len(value) > 63:
        hint = f"It has {len(value)} characters."
    elif isinstance(value, str) and (better := re.sub(r"\W+", "_", value, flags=re.ASCII).strip("_")):
        hint = f"`{better}` would do." if NAME.fullmatch(better) else None
    mistakes.add(
        f"{what} is not legal",
        field=field,
        expected="a letter, then at most 62 letters, digits or underscores",
        got=repr(value),
        hint=hint,
    )
    return value if isinstance(value, str) else "broken"


def column_name(value: object, mistakes: Mistakes, *, field: str, what: str) -> str:
    """A name that expressions can use: legal and not a word of SQL's own."""
    found = name(value, mistakes, field=field, what=what)
    if found.lower() in RESERVED:
        mistakes.add(
            f"{what} is a reserved word of SQL",
            field=field,
            got=f"`{found}`",
            hint=f"`{found}_` or a longer word would do.",
        )
    return found


def unique(names: Iterable[object], mistakes: Mistakes, *, field: str, what: str) -> None:
    """No two names alike without regard to case."""
    met: dict[str, str] = {}
    for given in names:
        if not isinstance(given, str):
            continue
        other = met.setdefault(given.lower(), given)
        if other is not given:
            mistakes.add(
                f"two {what} of one name",
                field=f"{field}.{given}",
                expected="names unique without regard to case",
                got=f"`{other}` and `{given}`",
            )


def label(value: object, mistakes: Mistakes, *, field: str = "version") -> str:
    """A version: 3 and "3" are the same label."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and LABEL.fullmatch(text):
        return text
    hint = f"Write it as a text: {field}={str(value)!r}." if isinstance(value, float) else None
    mistakes.add(
        "a version is a label",
        field=field,
        expected="a whole number or a short text such as 3, '3' or 'V01'",
        got=repr(value),
        hint=hint,
    )
    return "1"


def duration(value: object, mistakes: Mistakes, *, field: str, positive: bool = False) -> int:
    """Microseconds of a duration that must be given."""
    try:
        if not isinstance(value, str | timedelta):
            raise WrongValueError(
                "a duration is a number and a unit",
                expected="a text such as '48h' or '1h30m'",
                got=repr(value),
            )
        us = parse_duration(value)
    except ValueError as error:
        hint = f"Did you mean '{value}s'?" if isinstance(value, int | float) and value else None
        mistakes.wrong(error, field=field, hint=hint)
        return 0
    if positive and us == 0:
        mistakes.add(f"{field} is zero", field=field, expected="a duration above zero", got=repr(value))
    return us


def optional_duration(value: object, mistakes: Mistakes, *, field: str) -> int | None:
    """Microseconds of a duration above zero, or None."""
    return None if value is None else duration(value, mistakes, field=field, positive=True)


def instant(value: object, mistakes: Mistakes, *, field: str, expected: str) -> int:
    """Microseconds since the Unix epoch of an instant."""
    try:
        if not isinstance(value, str | datetime):
            raise ValueError
        return parse_instant(value)
    except ValueError:
        mistakes.add(f"{field} is not an instant", field=field, expected=expected, got=repr(value))
        return 0


def data_type(value: object, mistakes: Mistakes, *, field: str) -> DataType:
    """A type of spec section 1."""
    if isinstance(value, DataType) and not _inner(value):
        return value
    if isinstance(value, type) and issubclass(value, DataType):
        example = _EXAMPLES.get(value.__name__, "its parts")
        hint: str | None = f"`hr.{value.__name__}` needs arguments, such as {example}."
    else:
        named = value.__name__ if isinstance(value, type) else str(value)
        near = _PYTHON.get(named.lower())
        hint = f"Did you mean `hr.{near}`?" if near else None
    mistakes.add(
        "not a type",
        field=field,
        expected="a type such as hr.Int64 or hr.String",
        got=f"`{value.__name__}`" if isinstance(value, type) else repr(value),
        hint=hint,
    )
    return Null


def _inner(value: DataType) -> bool:
    """Whether a type is one that only expressions have, or holds something that is no type."""
    if isinstance(value, Primitive):
        return value.name in ("Null", "Int8", "Int16")
    parts: tuple[object, ...] = ()
    if isinstance(value, List):
        parts = (value.item,)
    elif isinstance(value, Map):
        parts = (value.key, value.value)
    elif isinstance(value, Struct):
        parts = tuple(t for _, t in value.fields)
    return any(not isinstance(p, DataType) or _inner(p) for p in parts) and not isinstance(value, Decimal)


_EXAMPLES = {
    "Decimal": "hr.Decimal(12, 2)",
    "List": "hr.List(hr.String)",
    "Map": "hr.Map(hr.String, hr.Int64)",
    "Struct": "hr.Struct({'lat': hr.Float64})",
}
_PYTHON = {
    "int": "Int64",
    "int64": "Int64",
    "int32": "Int32",
    "integer": "Int64",
    "bigint": "Int64",
    "long": "Int64",
    "str": "String",
    "string": "String",
    "float": "Float64",
    "float64": "Float64",
    "double": "Float64",
    "bool": "Bool",
    "boolean": "Bool",
    "bytes": "Bytes",
    "datetime": "Timestamp",
    "timestamp": "Timestamp",
    "date": "Date",
}


def topic(value: object, mistakes: Mistakes, *, field: str) -> None:
    """A name that Kafka takes for a topic."""
    if isinstance(value, str) and TOPIC.fullmatch(value) and value not in (".", ".."):
        return
    mistakes.add(
        "Kafka would not take this topic's name",
        field=field,
        expected="1 to 249 letters, digits, dots, underscores or dashes",
        got=repr(value),
    )


def typed_names(
    value: object, mistakes: Mistakes, *, field: str, example: str, new: bool = False
) -> dict[str, DataType]:
    """A mapping of legal names to types; `new` columns may not be words of SQL either."""
    if not isinstance(value, Mapping):
        mistakes.add(f"{field} is not a mapping", field=field, expected=example, got=repr(value))
        return {}
    unique(value, mistakes, field=field, what="columns")
    rule = column_name if new else name
    return {
        rule(k, mistakes, field=f"{field}.{k}", what="a column's name"): data_type(
            t, mistakes, field=f"{field}.{k}"
        )
        for k, t in value.items()
    }


def flag(value: object, mistakes: Mistakes, *, field: str) -> bool:
    """True or False, nothing that merely looks like it."""
    if not isinstance(value, bool):
        mistakes.add(f"{field} is a switch", field=field, expected="True or False", got=repr(value))
    return bool(value)


def expression(value: object, mistakes: Mistakes, *, field: str) -> str | None:
    """A SQL text; what it says is judged when the view is planned."""
    if isinstance(value, str) and value.strip():
        return value
    mistakes.add(
        "a SQL expression is a text that is not empty",
        field=field,
        expected="a string such as \"status = 'settled'\"",
        got=repr(value),
    )
    return None


def words(description: object, owner: object, tags: object, mistakes: Mistakes) -> dict[str, Any]:
    """Description, owner and tags, as every definition takes them."""
    for field, value in (("description", description), ("owner", owner)):
        if not isinstance(value, str):
            mistakes.add(f"{field} is a text", field=field, expected="a string", got=repr(value))
    if not isinstance(tags, Mapping) or any(not isinstance(x, str) for kv in tags.items() for x in kv):
        mistakes.add(
            "tags are texts by name", field="tags", expected="such as tags={'team': 'risk'}", got=repr(tags)
        )
        tags = {}
    return {
        "description": description if isinstance(description, str) else "",
        "owner": owner if isinstance(owner, str) else "",
        "tags": dict(tags),
    }
