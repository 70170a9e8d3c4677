"""Casts from string to numbers and booleans.

Owns what Spark's UTF8String, Java's parseDouble and BigDecimal read. Anything else is null, never an error.
"""

from __future__ import annotations

import decimal
import math
import re

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.columns import per_value
from headrace.types import Bool, DataType, Decimal, Float64, String

_LAST = (0x2028, 0x2029, 0x205F, 0x3000)
# Character.isWhitespace and isISOControl, which Spark's trimAll takes off both ends.
WHITE = "".join(
    map(
        chr,
        (*range(0x21), *range(0x7F, 0xA0), 0x1680, *range(0x2000, 0x2007), *range(0x2008, 0x200B), *_LAST),
    )
)
CONTROL = "".join(map(chr, range(0x21)))
_TRUE = ["t", "true", "y", "yes", "1"]
_FALSE = ["f", "false", "n", "no", "0"]
_DECIMAL_TEXT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")  # Java takes any Unicode digit
_HEX_DOUBLE = re.compile(r"[+-]?0[xX]([0-9a-fA-F]*)(\.[0-9a-fA-F]*)?[pP][+-]?\d+$", re.ASCII)


def to_bool(text: pl.Expr) -> pl.Expr:
    word = text.str.strip_chars(WHITE).str.to_lowercase()
    return (
        pl.when(word.is_in(_TRUE))
        .then(True)
        .when(word.is_in(_FALSE))
        .then(False)
        .otherwise(pl.lit(None, dtype=Bool.polars))
    )


def to_integer(text: pl.Expr, t: DataType) -> pl.Expr:
    """An optional sign, digits, and perhaps a fraction, which is cut off."""
    word = text.str.strip_chars(WHITE)
    parts = word.str.extract_groups(r"^([+-]?)([0-9]*)((?:\.[0-9]*)?)$")
    sign, digits, rest = (parts.struct.field(str(i)) for i in (1, 2, 3))
    digits = (
        pl.when((digits == "") & (rest != "")).then(pl.lit("0")).otherwise(digits.str.strip_chars_start("0"))
    )
    zero = (digits == "") & parts.struct.field("2").str.contains("0", literal=True)
    digits = pl.when(zero).then(pl.lit("0")).otherwise(digits)
    signed = pl.when(sign == "-").then(pl.lit("-") + digits).otherwise(digits)
    return signed.cast(t.polars, strict=False)


def to_float(text: pl.Expr, t: DataType) -> pl.Expr:
    """Java's Double.parseDouble, with Spark's words for infinity and NaN."""
    word = text.str.strip_chars(CONTROL)
    lower = word.str.to_lowercase()
    plain = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?$"
    number = word.str.strip_suffix("d").str.strip_suffix("D").str.strip_suffix("f").str.strip_suffix("F")
    hexadecimal = pl.when(lower.str.contains("0x", literal=True)).then(word).otherwise(None)
    return (
        pl.when(word.str.contains(plain))
        .then(number.cast(t.polars, strict=False))
        .when(lower.is_in(["inf", "+inf", "infinity", "+infinity"]))
        .then(math.inf)
        .when(lower.is_in(["-inf", "-infinity"]))
        .then(-math.inf)
        .when(lower == "nan")
        .then(math.nan)
        .otherwise(per_value(_hex_double, hexadecimal, returns=Float64))
        .cast(t.polars)
    )


def _hex_double(text: str) -> float | None:
    body = text.rstrip("dDfF") if "p" in text.lower() else text
    return float.fromhex(body) if _HEX_DOUBLE.match(body) else None


def to_decimal(text: pl.Expr, t: Decimal) -> pl.Expr:
    """Java's BigDecimal, rounded half up; null where it does not fit."""
    word = text.str.strip_chars(CONTROL)
    parts = word.str.extract_groups(r"^([+-]?)([0-9]*)\.?([0-9]*)$")
    sign, whole, fraction = (parts.struct.field(str(i)) for i in (1, 2, 3))
    whole = whole.str.strip_chars_start("0")
    is_plain = word.str.contains(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$") & (whole.str.len_bytes() <= 38)
    digits = whole + fraction.str.slice(0, t.scale).str.pad_end(t.scale, "0")
    fits = digits.str.len_bytes() <= 38
    magnitude = pl.when(fits).then(pl.lit("0") + digits).otherwise(None).cast(pl.Int128, strict=False)
    up = fraction.str.slice(t.scale, 1).is_in(["5", "6", "7", "8", "9"])
    rounded = magnitude + up.cast(pl.Int128)
    signed = pl.when(sign == "-").then(decimals.negated(rounded)).otherwise(rounded)
    exotic = pl.when(is_plain & fits).then(pl.lit(None, dtype=String.polars)).otherwise(word)
    return (
        pl.when(is_plain & fits)
        .then(decimals.from_unscaled(signed, t))
        .otherwise(per_value(lambda w: _decimal(w, t), exotic, returns=t))
    )


def _decimal(text: str, t: Decimal) -> decimal.Decimal | None:
    if not _DECIMAL_TEXT.match(text):
        return None
    value = decimal.Decimal(text)
    if value and value.adjusted() > 40:
        return None
    if value and value.adjusted() < -60:
        value = decimal.Decimal(0)
    return decimals.quantized(value, t)
