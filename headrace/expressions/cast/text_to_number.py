"""Casts from string to numbers and booleans.

Owns what Spark's UTF8String, Java's parseDouble and BigDecimal read. Anything else is null, never an error.
"""

from __future__ import annotations

import decimal
import math
import re

import polars as pl

from headrace.expressions import decimals
from headrace.expressions.columns import per_value, staged
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
    parts = pl.col("text").str.strip_chars(WHITE).str.extract_groups(r"^([+-]?)([0-9]*)((?:\.[0-9]*)?)$")
    sign, digits, rest = (pl.col("parts").struct.field(str(i)) for i in (1, 2, 3))
    short = digits.str.strip_chars_start("0")
    is_zero = (short == "") & ((digits != "") | (rest != ""))
    signed = pl.when(sign == "-").then(pl.lit("-") + short).otherwise(short)
    number = pl.when(is_zero).then(pl.lit("0")).otherwise(signed).cast(t.polars, strict=False)
    return staged({"text": text}, {"parts": parts}, {"result": number}, returns=t)


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
    word = pl.col("word")
    sign, whole, fraction = (pl.col("parts").struct.field(str(i)) for i in (1, 2, 3))
    digits = whole.str.strip_chars_start("0") + fraction.str.slice(0, t.scale).str.pad_end(t.scale, "0")
    is_plain = ((whole != "") | (fraction != "")).fill_null(False) & (digits.str.len_bytes() <= 38)
    up = fraction.str.slice(t.scale, 1).is_in(["5", "6", "7", "8", "9"])
    magnitude = (pl.lit("0") + pl.col("digits")).cast(pl.Int128, strict=False) + up.cast(pl.Int128)
    signed = pl.when(sign == "-").then(decimals.negated(magnitude)).otherwise(magnitude)
    exotic = pl.when(pl.col("plain")).then(pl.lit(None, dtype=String.polars)).otherwise(word)
    return staged(
        {"text": text},
        {"word": pl.col("text").str.strip_chars(CONTROL)},
        {"parts": word.str.extract_groups(r"^([+-]?)([0-9]*)\.?([0-9]*)$")},
        {"digits": pl.when(is_plain).then(digits).otherwise(None), "plain": is_plain},
        {"whole": signed},
        {
            "result": pl.when(pl.col("plain"))
            .then(decimals.from_unscaled(pl.col("whole"), t))
            .otherwise(per_value(lambda w: _decimal(w, t), exotic, returns=t))
        },
        returns=t,
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
