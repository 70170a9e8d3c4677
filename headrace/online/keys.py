"""Names in Redis: the text of an entity's join keys, the key of its hash, and the key of a partition's fence.

An entity's text is its key values in key order, each in its form of `text`, joined by ``|``; inside a value
``%``, ``|``, ``:``, ``{``, ``}`` and the control characters (below 0x20, and 0x7f) are percent-encoded, so
that different entities never share a text. The column form and the Python form agree on every value.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal as PyDecimal
from decimal import InvalidOperation, localcontext
from urllib.parse import unquote

import polars as pl

from headrace.durations import format_instant, parse_instant
from headrace.errors import DecodeError, UsageError
from headrace.online.text import from_text, to_text
from headrace.types import Bool, Bytes, DataType, Date, Decimal, Int32, Int64, String, Timestamp

_SPECIAL = "%|:{}" + "".join(map(chr, range(0x20))) + "\x7f"
_ENCODED = {c: f"%{ord(c):02X}" for c in _SPECIAL}
_CLASS = "[" + "".join(f"\\x{ord(c):02x}" for c in _SPECIAL) + "]"
_TABLE = str.maketrans(_ENCODED)
_INT_BITS = {Int32: 31, Int64: 63}


def is_key_type(type: DataType) -> bool:
    """Whether values of the type may be join keys: Int32 Int64 String Bool Date Timestamp Decimal Bytes."""
    return type in (Int32, Int64, String, Bool, Date, Timestamp, Bytes) or isinstance(type, Decimal)


def entity_key(columns: Sequence[pl.Expr | str], types: Sequence[DataType]) -> pl.Expr:
    """The text of the join keys in `columns`, in key order, as String; null where any of them is null."""
    if len(columns) != len(types) or not columns:
        raise UsageError(f"an entity key of {len(types)} types needs as many columns, got {len(columns)}")
    exprs = [pl.col(c) if isinstance(c, str) else c for c in columns]
    parts = [
        e.map_batches(lambda s, t=t: _part(s, t), return_dtype=pl.String)  # type: ignore[misc]
        for e, t in zip(exprs, types, strict=True)
    ]
    return parts[0] if len(parts) == 1 else pl.concat_str(parts, separator="|")


def _part(column: pl.Series, type: DataType) -> pl.Series:
    if not is_key_type(type):
        raise UsageError(f"a join key of type {type} has no text; use an integer, a string or a date")
    text = to_text(column, type)
    if type not in (String, Timestamp) or not text.str.contains(_CLASS).any():
        return text
    return text.str.replace_many(list(_ENCODED), list(_ENCODED.values()))


def python_entity_key(values: Sequence[object], types: Sequence[DataType]) -> str:
    """The text of one entity's join keys, given in key order as Python values.

    Takes int, str, bool, date, datetime (without a zone: UTC) or ISO text, Decimal or int, and bytes.
    Raises UsageError for a null, a value that is not of its type, or the wrong number of values.
    """
    if len(values) != len(types):
        raise UsageError(f"the entity has {len(types)} join keys, got {len(values)}: {tuple(values)!r}")
    return "|".join(_python_part(v, t).translate(_TABLE) for v, t in zip(values, types, strict=True))


def _python_part(value: object, type: DataType) -> str:
    if type == String and isinstance(value, str):
        return value
    if type in _INT_BITS and isinstance(value, int) and not isinstance(value, bool):
        bits = _INT_BITS[type]
        if -(1 << bits) <= value < 1 << bits:
            return str(int(value))
    elif type == Bool and isinstance(value, bool):
        return "true" if value else "false"
    elif type == Timestamp and isinstance(value, datetime | str):
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
            return format_instant(parse_instant(at if at.tzinfo else at.replace(tzinfo=UTC)))
        except ValueError:
            pass
    elif type == Date and isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    elif type == Date and isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    elif isinstance(type, Decimal) and isinstance(value, PyDecimal | int) and not isinstance(value, bool):
        text = _decimal_text(PyDecimal(value), type)
        if text is not None:
            return text
    elif type == Bytes and isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    raise UsageError(f"a join key: expected a value of {type}, got {value!r}")


def _decimal_text(value: PyDecimal, type: Decimal) -> str | None:
    """Digits with exactly the type's scale, or None where the value does not fit without rounding."""
    with localcontext(prec=2 * 38 + 2):
        try:
            scaled = value.quantize(PyDecimal(1).scaleb(-type.scale))
        except InvalidOperation:
            return None
        if scaled != value or len(scaled.as_tuple().digits) > type.precision:
            return None
        return format(scaled if scaled else abs(scaled), "f")


def parse_entity_key(text: str, types: Sequence[DataType]) -> tuple[object, ...]:
    """The Python values of an entity's text, in key order; the inverse of `python_entity_key`.

    Raises UsageError where the text is not of these types.
    """
    parts = text.split("|")
    if len(parts) != len(types):
        raise UsageError(f"the entity has {len(types)} join keys, joined by `|`; got {len(parts)}: {text!r}")
    try:
        return tuple(from_text(unquote(p, errors="strict"), t) for p, t in zip(parts, types, strict=True))
    except (DecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"an entity key: {exc}") from None


@dataclass(frozen=True)
class KeySpace:
    """Where the entities of one version of a view live: ``{project}:{view}@{version}:`` and the entity's
    text.

    With `hash_tag` the entity's text stands in braces, so that a Redis Cluster keeps an entity's views
    together.
    """

    project: str
    view: str
    version: str
    hash_tag: bool = False

    @property
    def prefix(self) -> str:
        return f"{self.project}:{self.view}@{self.version}:" + ("{" if self.hash_tag else "")

    @property
    def suffix(self) -> str:
        return "}" if self.hash_tag else ""

    def redis_key(self, key: str) -> str:
        """The Redis key of an entity's text."""
        return f"{self.prefix}{key}{self.suffix}"

    def redis_keys(self, keys: pl.Expr) -> pl.Expr:
        """The Redis keys of a column of entities' texts; null stays null."""
        return pl.concat_str([pl.lit(self.prefix), keys, pl.lit(self.suffix)])

    def entity_text(self, redis_key: str) -> str | None:
        """The entity's text in a Redis key, or None if the key is not of this space."""
        if redis_key.startswith(self.prefix) and redis_key.endswith(self.suffix):
            return redis_key[len(self.prefix) : len(redis_key) - len(self.suffix)]
        return None

    @property
    def glob(self) -> str:
        """The pattern for SCAN that fits the Redis keys of all entities."""
        escaped = "".join(f"\\{c}" if c in "*?[]\\^" else c for c in self.prefix)
        return f"{escaped}*{self.suffix}"

    def fence_key(self, partition: int) -> str:
        """The Redis key that holds the epoch of the owner of one of the view's partitions."""
        return f"{self.project}:_fence:{self.view}@{self.version}:{partition}"


def redis_key(project: str, view: str, version: str, key: str, hash_tag: bool = False) -> str:
    """The Redis key of one entity of a view: ``shop:customer_spend@3:42``."""
    return KeySpace(project, view, version, hash_tag).redis_key(key)
