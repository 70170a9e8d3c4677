"""Java's Formatter and DecimalFormat, as far as format_string and format_number need them."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Sequence
from typing import Any

from headrace.expressions.java_numbers import double_text, float_text
from headrace.types import FLOATS, INTEGERS, Bool, DataType, Decimal, Float32

_SPECIFIER = re.compile(r"%(\d+\$|<)?([-#+ 0,(]*)(\d+)?(\.\d+)?([a-zA-Z%])")
_HALF_UP = decimal.Context(prec=400, rounding=decimal.ROUND_HALF_UP)
_HALF_EVEN = decimal.Context(prec=400, rounding=decimal.ROUND_HALF_EVEN)


def as_decimal(value: Any) -> decimal.Decimal:
    """The value by its decimal text, as Java's BigDecimal of it."""
    if isinstance(value, float):
        return decimal.Decimal(double_text(value))
    return decimal.Decimal(value)


def format_string(pattern: str, values: Sequence[Any], types: Sequence[DataType]) -> str:
    """``String.format`` with Locale.US. Raises ValueError for what Java's Formatter refuses."""
    out, at, used, last = [], 0, 0, -1
    for m in _SPECIFIER.finditer(pattern):
        between = pattern[at : m.start()]
        if "%" in between:
            raise ValueError("a `%` is followed by no conversion")
        out.append(between)
        at = m.end()
        index, flags, width, precision, kind = m.groups()
        if kind in "n%":
            out.append("\n" if kind == "n" else "%".rjust(int(width or 0)))
            continue
        if index == "<":
            place = last
        elif index:
            place = int(index[:-1]) - 1
        else:
            place, used = used, used + 1
        if not 0 <= place < len(values):
            raise ValueError(f"`{m.group()}` has no argument")
        last = place
        digits = None if precision is None else int(precision[1:])
        out.append(_one(kind, flags, int(width or 0), digits, values[place], types[place]))
    if "%" in pattern[at:]:
        raise ValueError("a `%` is followed by no conversion")
    return "".join([*out, pattern[at:]])


def _one(kind: str, flags: str, width: int, digits: int | None, value: Any, t: DataType) -> str:
    lower = kind.lower()
    if lower in "sb":
        text = _general(lower, value, t)
        text = text if digits is None else text[:digits]
    elif lower == "c" and (t in INTEGERS or value is None):
        text = "null" if value is None else chr(value)
    elif lower in "dox" and (t in INTEGERS or t.spark == "void"):
        text = "null" if value is None else _integer(lower, flags, width, value, t)
    elif lower in "feg" and (t in FLOATS or isinstance(t, Decimal) or t.spark == "void"):
        text = (
            "null"[:digits]
            if value is None
            else _fraction(lower, flags, width, 6 if digits is None else digits, value)
        )
    else:
        raise ValueError(f"`%{kind}` does not print {t.spark}")
    text = text.upper() if kind.isupper() else text
    width -= sum(ord(c) > 0xFFFF for c in text)  # Java counts UTF-16 units
    return text.ljust(width) if "-" in flags else text.rjust(width)


def _general(kind: str, value: Any, t: DataType) -> str:
    if kind == "b":
        return str(value if t == Bool else value is not None).lower() if value is not None else "false"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value) if t == Float32 else double_text(value)
    return str(value)


def _integer(kind: str, flags: str, width: int, value: int, t: DataType) -> str:
    if kind in "ox":
        bits = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}[t.spark]
        text = format(value & (2**bits - 1), kind)
        text = ({"x": "0x", "o": "0"}[kind] if "#" in flags else "") + text
        return text.rjust(width, "0") if "0" in flags else text
    digits = f"{abs(value):,}" if "," in flags else str(abs(value))
    return _signed(digits, value < 0, flags, width)


def _signed(digits: str, negative: bool, flags: str, width: int) -> str:
    head, tail = "", ""
    if negative:
        head, tail = ("(", ")") if "(" in flags else ("-", "")
    elif "+" in flags:
        head = "+"
    elif " " in flags:
        head = " "
    if "0" in flags:
        digits = digits.rjust(width - len(head) - len(tail), "0")
    return head + digits + tail


def _fraction(kind: str, flags: str, width: int, digits: int, value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity"
        return name if name == "NaN" else _signed(name, value < 0, flags.replace("0", ""), width)
    exact = as_decimal(value)
    negative = exact.is_signed()
    exact = abs(exact)
    if kind == "g":
        digits = digits or 1
        rounded = decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_UP).create_decimal(exact)
        plain = rounded == 0 or decimal.Decimal("1e-4") <= rounded < decimal.Decimal(10) ** digits
        digits = digits - (rounded.adjusted() if rounded else 0) - 1 if plain else digits - 1
        kind = "f" if plain else "e"
    if kind == "f":
        rounded = _HALF_UP.quantize(exact, decimal.Decimal(1).scaleb(-digits))
        text = f"{rounded:,f}" if "," in flags else f"{rounded:f}"
    else:
        rounded = decimal.Context(prec=digits + 1, rounding=decimal.ROUND_HALF_UP).create_decimal(exact)
        exponent = rounded.adjusted() if rounded else 0
        mantissa = _HALF_UP.quantize(rounded.scaleb(-exponent), decimal.Decimal(1).scaleb(-digits))
        text = f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return _signed(text, negative, flags, width)


def format_decimal(value: Any, places: int) -> str:
    """format_number(x, d): grouped by thousands, half even on the exact binary value, as DecimalFormat does."""
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"  # DecimalFormatSymbols(Locale.US)
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
    return f"{_rounded(value, places):,f}"


def _rounded(value: Any, places: int) -> decimal.Decimal:
    """Half even on the exact binary value; where that has more digits than Double.toString prints, on those."""
    shown = as_decimal(value)
    exponent = shown.as_tuple().exponent
    exact = shown if isinstance(exponent, int) and exponent >= -places else decimal.Decimal(value)
    return _HALF_EVEN.quantize(exact, decimal.Decimal(1).scaleb(-places))


def pattern_format(value: Any, pattern: str) -> str | None:
    """format_number(x, '#,###.00'): digits, grouping and literal ends; None for other DecimalFormat syntax."""
    m = re.fullmatch(r"([^#0.,;%']*)([#,]*[0,]*)(?:\.(0*)(#*))?([^#0.,;%']*)", pattern)
    if m is None:
        return None
    if pattern == "":
        return format_decimal(value, 0)
    prefix, whole, zeros, optional, suffix = (g or "" for g in m.groups())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("-" if value < 0 else "") + prefix + "∞" + suffix
    rounded = _rounded(value, len(zeros) + len(optional))
    sign, digits = ("-" if rounded.is_signed() else ""), f"{abs(rounded):f}"
    integer, _, fraction = digits.partition(".")
    kept = fraction[: len(zeros)] + fraction[len(zeros) :].rstrip("0")
    integer = integer.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole:
        size = len(whole) - whole.rfind(",") - 1
        head: list[str] = []
        while size and len(integer) > size:
            head.insert(0, integer[-size:])
            integer = integer[:-size]
        integer = ",".join([integer, *head])
    return sign + prefix + integer + ("." + kept if kept else "") + suffix
