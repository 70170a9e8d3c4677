"""The value and type of a literal, as Spark 3.5's AstBuilder gives them.

Owns numbers with and without suffix, typed literals (``date '2024-02-29'``), hexadecimal strings and
intervals. Refuses, with `NotALiteralError`, what Spark's parser refuses: an int that does not fit, a date that
is none.
"""

from __future__ import annotations

import decimal
import itertools
import re
import sys
from collections.abc import Sequence

import polars as pl

from headrace.expressions.cast.text_to_time import to_date, to_timestamp
from headrace.expressions.intervals import (
    DAY_TIME_UNITS,
    MICROS_OF_UNIT,
    MONTHS_OF_UNIT,
    day_time,
    year_month,
)
from headrace.types import (
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Primitive,
    Timestamp,
)

Constant = tuple[object, DataType]


class NotALiteralError(ValueError):
    """What was written is no literal; the message says why."""


_SUFFIXED = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?)(l|s|y|d|f|bd)?$", re.IGNORECASE)
_RANGES: dict[str, tuple[Primitive, int]] = {"l": (Int64, 63), "s": (Int16, 15), "y": (Int8, 7)}


def number(text: str) -> Constant:
    """``1`` int, ``3000000000`` bigint, ``1.5`` decimal(2,1), ``1e2`` double; suffixes L S Y D F BD."""
    m = _SUFFIXED.match(text)
    if m is None:
        raise NotALiteralError(f"`{text}` is no number")
    digits, suffix = m.group(1), (m.group(2) or "").lower()
    if suffix in _RANGES:
        type_, bits = _RANGES[suffix]
        if not re.fullmatch(r"-?\d+", digits) or not -(2**bits) <= int(digits) < 2**bits:
            raise NotALiteralError(f"`{text}` does not fit into {type_.spark}")
        return int(digits), type_
    if suffix in ("d", "f"):
        return _finite(digits, Float64 if suffix == "d" else Float32)
    if suffix == "bd":
        return _decimal(digits)
    if "e" in digits.lower():
        return _finite(digits, Float64)
    if "." in digits:
        return _decimal(digits)
    whole = int(digits)
    if -(2**31) <= whole < 2**31:
        return whole, Int32
    if -(2**63) <= whole < 2**63:
        return whole, Int64
    return _decimal(digits)


def _finite(digits: str, t: DataType) -> Constant:
    value = float(digits)
    if abs(value) > (sys.float_info.max if t == Float64 else 3.4028235677973366e38):
        raise NotALiteralError(f"`{digits}` does not fit into {t.spark}")
    return value, t


def _decimal(digits: str) -> Constant:
    value = decimal.Decimal(digits)
    _, figures, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    precision, scale = max(len(figures), -exponent, 1), max(-exponent, 0)
    if exponent > 0:
        precision += exponent
    if precision > 38:
        raise NotALiteralError(f"`{digits}` has {precision} digits, and a decimal has at most 38")
    return value, Decimal(precision, scale)


def hex_literal(digits: str) -> Constant:
    if not re.fullmatch(r"[0-9a-fA-F]*", digits):
        raise NotALiteralError(f"x'{digits}' has characters that are no hexadecimal digits")
    return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits), Bytes


def typed_literal(kind: str, text: str) -> Constant:
    """``date '..'``, ``timestamp '..'``, ``interval '..'``, ``x'..'``."""
    if kind == "x":
        return hex_literal(text)
    if kind == "interval":
        return _interval_from_text(text)
    read = to_date if kind == "date" else to_timestamp
    value = pl.select(read(pl.lit(text)).to_physical()).item()
    if value is None:
        raise NotALiteralError(f"{kind} '{text}' is no {kind}")
    return value, Date if kind == "date" else Timestamp


def unit_name(word: str) -> str | None:
    """The singular of an interval unit, or None if it is none."""
    singular = word[:-1] if word.endswith("s") else word
    return singular if singular in MICROS_OF_UNIT or singular in MONTHS_OF_UNIT else None


def interval_literal(fields: Sequence[tuple[str, str]]) -> Constant:
    """``interval 1 year 2 months``, ``interval '1 2' day to hour``: months, or microseconds, and the type."""
    if len(fields) == 1 and " to " in fields[0][1]:
        return _unit_to_unit(fields[0][0], *fields[0][1].split(" to "))
    months = micros = 0
    names: list[str] = []
    for amount, word in fields:
        unit = unit_name(word)
        if unit is None:
            raise NotALiteralError(f"`{word}` is no unit of an interval")
        names.append(unit)
        try:
            value = decimal.Decimal(amount.strip())
        except decimal.InvalidOperation:
            raise NotALiteralError(f"`{amount}` is no number of {word}") from None
        if value != int(value) and unit != "second":
            raise NotALiteralError(f"only seconds may have a fraction, not `{amount} {word}`")
        if unit in MONTHS_OF_UNIT:
            months += int(value) * MONTHS_OF_UNIT[unit]
        else:
            micros += int(value * MICROS_OF_UNIT[unit])
    in_months = [u for u in names if u in MONTHS_OF_UNIT]
    if in_months and len(in_months) != len(names):
        raise NotALiteralError("an interval has years and months, or days and times, never both")
    if in_months:
        return months, year_month(
            "year" if "year" in names else "month", "month" if "month" in names else "year"
        )
    units = [_day_time_unit(u) for u in names]
    order = sorted(units, key=DAY_TIME_UNITS.index)
    return micros, day_time(order[0], order[-1])


def _day_time_unit(unit: str) -> str:
    return {"week": "day", "millisecond": "second", "microsecond": "second"}.get(unit, unit)


def _interval_from_text(text: str) -> Constant:
    words = text.lower().split()
    if words and words[0] == "interval":
        words = words[1:]
    if not words or len(words) % 2:
        raise NotALiteralError(f"interval '{text}' is no interval")
    return interval_literal(list(zip(words[::2], words[1::2], strict=True)))


def _unit_to_unit(text: str, start: str, end: str) -> Constant:
    start, end = unit_name(start) or start, unit_name(end) or end
    sign = -1 if text.strip().startswith("-") else 1
    body = text.strip().lstrip("+-")
    if (start, end) == ("year", "month"):
        m = re.fullmatch(r"(\d+)-(\d+)", body)
        if m is None:
            raise NotALiteralError(f"interval '{text}' year to month is written as 'years-months'")
        return sign * (int(m[1]) * 12 + int(m[2])), year_month()
    if start not in DAY_TIME_UNITS or end not in DAY_TIME_UNITS or start == end:
        raise NotALiteralError(f"interval {start} to {end} does not exist")
    units = DAY_TIME_UNITS[DAY_TIME_UNITS.index(start) : DAY_TIME_UNITS.index(end) + 1]
    pattern = r"(\d+)" + "".join(
        (r"[ ]" if before == "day" else ":") + (r"(\d+(?:\.\d{1,9})?)" if unit == "second" else r"(\d+)")
        for before, unit in itertools.pairwise(units)
    )
    m = re.fullmatch(pattern, body)
    if m is None:
        raise NotALiteralError(f"interval '{text}' {start} to {end} is not written as it should be")
    parts = zip(units, m.groups(), strict=True)
    micros = sum(int(decimal.Decimal(amount) * MICROS_OF_UNIT[unit]) for unit, amount in parts)
    return sign * micros, day_time(start, end)
