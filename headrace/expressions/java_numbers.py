"""Java's text of floats and doubles: Double.toString and Float.toString of Java 17.

At least one digit behind the point; computerised scientific notation below 1e-3 and from 1e7 on.
"""

from __future__ import annotations

import math

from headrace.expressions.java_dtoa import double_digits, float_digits


def double_text(x: float) -> str:
    return _text(x, single=False)


def float_text(x: float) -> str:
    """`x` is a float32 widened to a double."""
    return _text(x, single=True)


def _text(x: float, *, single: bool) -> str:
    if math.isnan(x):
        return "NaN"
    sign = "-" if math.copysign(1, x) < 0 else ""
    if math.isinf(x):
        return sign + "Infinity"
    if x == 0:
        return sign + "0.0"
    digits, point = (float_digits if single else double_digits)(abs(x))
    digits = digits.rstrip("0") or "0"
    if 0 < point < 8:
        return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    if -3 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"
