"""One plain Python value as Avro bytes: numbers, texts, bytes and the logical types. Knows no structure."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import numpy as np

from headrace.avro import varints
from headrace.avro.nodes import Fixed, Logical, Primitive, spelled
from headrace.durations import parse_instant
from headrace.errors import DecodeError

Write = Callable[[Any, str], bytes]

_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_PER_SECOND = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_FLOAT_MAX = 3.4028234663852886e38
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class InvalidValueError(DecodeError):
    """A value that its schema does not allow: `field` (a dotted path), `got` and `expected`."""

    def __init__(self, field: str, got: str, expected: str) -> None:
        where = f"field `{field}`" if field else "the record"
        super().__init__(f"{where}: expected {expected}; got {got}")
        self.field, self.got, self.expected = field, got, expected


def refuse(path: str, expected: str, value: Any) -> InvalidValueError:
    """The error for a value, which it shows shortened."""
    text = repr(value)
    short = text if len(text) <= 60 else text[:57] + "..."
    return InvalidValueError(path, f"{short} ({type(value).__name__})", expected)


def plain_writer(node: Primitive | Fixed) -> Write:
    """How values of a primitive or fixed type, logical or not, are written."""
    logical = node.logical
    if logical is not None:
        if logical.name == "decimal":
            return _decimal(node, logical)
        if logical.name == "uuid":
            return _uuid(node)
        if logical.name != "duration":
            return _integer(node, _moment(logical))
    if isinstance(node, Fixed):
        return _bytes(node.size)
    match node.kind:
        case "null":
            return _null
        case "boolean":
            return _boolean
        case "int" | "long":
            return _integer(node, None)
        case "float" | "double":
            return _float(node.kind)
        case "string":
            return _string
        case "bytes":
            return _bytes(None)


def _null(value: Any, path: str) -> bytes:
    if value is not None:
        raise refuse(path, "null", value)
    return b""


def _boolean(value: Any, path: str) -> bytes:
    if not isinstance(value, bool | np.bool_):
        raise refuse(path, "a boolean", value)
    return b"\1" if value else b"\0"


def _string(value: Any, path: str) -> bytes:
    if not isinstance(value, str):
        raise refuse(path, "a text", value)
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise refuse(path, "a text of whole characters (no lone surrogate)", value) from None
    return varints.encode(len(data)) + data


def _bytes(size: int | None) -> Write:
    expected = "bytes, or base64 text" if size is None else f"{size} bytes, or base64 text of as many"

    def write(value: Any, path: str) -> bytes:
        if isinstance(value, str):
            try:
                value = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                raise refuse(path, expected, value) from None
        if not isinstance(value, bytes | bytearray | memoryview):
            raise refuse(path, expected, value)
        data = bytes(value)
        if size is None:
            return varints.encode(len(data)) + data
        if len(data) != size:
            raise refuse(path, expected, value)
        return data

    return write


def _float(kind: str) -> Write:
    pack = struct.Struct("<f" if kind == "float" else "<d").pack

    def write(value: Any, path: str) -> bytes:
        if isinstance(value, str) and value in _FLOATS:
            value = _FLOATS[value]
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise refuse(path, "a number", value)
        number = float(value)
        if kind == "float" and _FLOAT_MAX < abs(number) < float("inf"):
            raise refuse(path, "a number that a float can hold", value)
        return pack(number)

    return write


def _integer(node: Primitive | Fixed, moment: Callable[[Any], int | None] | None) -> Write:
    assert isinstance(node, Primitive)
    low, high = _RANGES[node.kind]
    expected = (
        spelled(node) if moment is not None else f"an integer of {32 if node.kind == 'int' else 64} bits"
    )

    def write(value: Any, path: str) -> bytes:
        number = value
        if moment is not None and not isinstance(value, int):
            try:
                number = moment(value)
            except ValueError:
                raise refuse(path, expected, value) from None
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not low <= number <= high:
            raise refuse(path, expected, value)
        return varints.encode(int(number))

    return write


def _moment(logical: Logical) -> Callable[[Any], int | None]:
    """A date, time or datetime, or its ISO text, as the integer of a logical type; None for anything else."""
    if logical.name == "date":
        return _days
    unit = _PER_SECOND[logical.name.rpartition("-")[2]]
    return (lambda v: _time(v, unit)) if logical.name.startswith("time-") else (lambda v: _instant(v, unit))


def _days(value: Any) -> int | None:
    if isinstance(value, str):
        value = date.fromisoformat(value)
    if isinstance(value, datetime) or not isinstance(value, date):
        return None
    return value.toordinal() - _EPOCH_DAY


def _time(value: Any, unit: int) -> int | None:
    if isinstance(value, str):
        value = time.fromisoformat(value)
    if not isinstance(value, time):
        return None
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return (seconds * 1_000_000 + value.microsecond) * unit // 1_000_000


def _instant(value: Any, unit: int) -> int | None:
    if not isinstance(value, str | datetime):
        return None
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return parse_instant(value) * unit // 1_000_000


def _decimal(node: Primitive | Fixed, logical: Logical) -> Write:
    expected = f"a decimal of {logical.precision} digits, {logical.scale} of them behind the point"
    size = node.size if isinstance(node, Fixed) else None

    def write(value: Any, path: str) -> bytes:
        if isinstance(value, bool) or not isinstance(value, Decimal | int | str | float):
            raise refuse(path, expected, value)
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
        except InvalidOperation:
            raise refuse(path, expected, value) from None
        unscaled = _unscaled(number, logical.scale)
        if unscaled is None or abs(unscaled) >= 10**logical.precision:
            raise refuse(path, expected, value)
        try:
            data = unscaled.to_bytes(size or (unscaled.bit_length() // 8 + 1), "big", signed=True)
        except OverflowError:
            raise refuse(path, f"{expected}, in {size} bytes", value) from None
        return data if size is not None else varints.encode(len(data)) + data

    return write


def _unscaled(number: Decimal, scale: int) -> int | None:
    """The number times ten to the `scale`, if it is an integer; without the decimal context's rounding."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return None
    whole = int("".join(map(str, digits)) or "0")
    shift = exponent + scale
    if abs(shift) > 100 and whole:
        return None
    if shift < 0:
        whole, rest = divmod(whole, 10**-shift) if whole else (0, 0)
        if rest:
            return None
    else:
        whole = whole * 10**shift if whole else 0
    return -whole if sign else whole


def _uuid(node: Primitive | Fixed) -> Write:
    def write(value: Any, path: str) -> bytes:
        try:
            found = value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None:
            raise refuse(path, "a UUID", value)
        return found.bytes if isinstance(node, Fixed) else _string(str(found), path)

    return write
