"""The decimal digits that Java 17's Double.toString and Float.toString print.

They are nearly always the shortest that read back equal, but not always (2.0E-3 is, 1.17549435E-38 is not:
JDK-4511638), and two digits at least come in scientific notation (4.9E-324). This is the algorithm of
jdk.internal.math.FloatingDecimal.BinaryToASCIIBuffer.dtoa, on Python's whole numbers; the widths of its
int and long branches are kept, since they decide ties differently.
"""

from __future__ import annotations

import math
import struct

_N5 = [0, *((5**i).bit_length() for i in range(1, 27))]
_EXP_SHIFT = 52


def double_digits(x: float) -> tuple[str, int]:
    """Digits and decimal exponent of a finite positive double: ``0.DIGITS * 10**exponent``."""
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    exponent, fraction = bits >> _EXP_SHIFT, bits & (1 << _EXP_SHIFT) - 1
    if exponent == 0:
        shift = 53 - fraction.bit_length()
        return _dtoa(1 - shift - 1023, fraction << shift, fraction.bit_length())
    return _dtoa(exponent - 1023, fraction | 1 << _EXP_SHIFT, 53)


def float_digits(x: float) -> tuple[str, int]:
    """The same for a float32 (widened to a double)."""
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    exponent, fraction = bits >> 23, bits & (1 << 23) - 1
    if exponent == 0:
        shift = 24 - fraction.bit_length()
        return _dtoa(1 - shift - 127, fraction << shift << 29, fraction.bit_length())
    return _dtoa(exponent - 127, (fraction | 1 << 23) << 29, 24)


def _dtoa(bin_exp: int, fract: int, significant: int) -> tuple[str, int]:
    tail = (fract & -fract).bit_length() - 1
    n_fract = _EXP_SHIFT + 1 - tail
    tiny = max(0, n_fract - bin_exp - 1)
    if tiny == 0 and -21 <= bin_exp <= 62 and n_fract < 64:
        return _whole(bin_exp, fract, significant)
    return _fraction(bin_exp, fract, significant, tail, n_fract, tiny)


def _whole(bin_exp: int, fract: int, significant: int) -> tuple[str, int]:
    """An integer: digits below the precision are rounded away."""
    p = bin_exp - significant - 1 if bin_exp > significant else 0
    drop = int(p * math.log10(2)) if p > 1 else 0
    value = fract << bin_exp - _EXP_SHIFT if bin_exp >= _EXP_SHIFT else fract >> _EXP_SHIFT - bin_exp
    if drop:
        value, rest = divmod(value, 10**drop)
        value += rest >= 10**drop // 2
    text = str(value)
    return text.rstrip("0"), len(text) + drop


def _estimate(bin_exp: int, fract: int) -> int:
    d2: float = struct.unpack("<d", struct.pack("<Q", 1023 << 52 | fract & (1 << 52) - 1))[0]
    return math.floor((d2 - 1.5) * 0.289529654 + 0.176091259 + bin_exp * 0.301029995663981)


def _five_bits(power: int) -> int:
    return _N5[power] if power < len(_N5) else power * 3


def _fraction(
    bin_exp: int, fract: int, significant: int, tail: int, n_fract: int, tiny: int
) -> tuple[str, int]:
    dec_exp = _estimate(bin_exp, fract)
    b5 = max(0, -dec_exp)
    b2 = b5 + tiny + bin_exp
    s5 = max(0, dec_exp)
    s2 = s5 + tiny
    m2 = b2 - significant
    b2 -= n_fract - 1
    common = min(b2, s2)
    b2, s2, m2 = b2 - common, s2 - common, m2 - common
    if n_fract == 1:
        m2 -= 1
    if m2 < 0:
        b2, s2, m2 = b2 - m2, s2 - m2, 0
    b_bits = n_fract + b2 + _five_bits(b5)
    ten_s_bits = s2 + 1 + _five_bits(s5 + 1)
    width = 32 if b_bits < 32 and ten_s_bits < 32 else 64 if b_bits < 64 and ten_s_bits < 64 else 0
    b, s, m = (fract >> tail) * 5**b5 << b2, 5**s5 << s2, 5**b5 << m2
    return _digits(b, s, m, width, dec_exp)


def _digits(b: int, s: int, m: int, width: int, dec_exp: int) -> tuple[str, int]:
    tens = s * 10
    top = 1 << (width - 1) if width else 0

    def limits() -> tuple[bool, bool]:
        if not width:
            return b < m, tens <= b + m
        if m >= top:  # Java's int or long has overflowed
            return True, True
        return b < m, b + m > tens

    digits: list[int] = []
    q, b = divmod(b, s)
    b, m = b * 10, m * 10
    low, high = limits()
    if q == 0 and not high:
        dec_exp -= 1
    else:
        digits.append(q)
    if dec_exp < -3 or dec_exp >= 8:
        low = high = False
    while not low and not high:
        q, b = divmod(b, s)
        b, m = b * 10, m * 10
        low, high = limits()
        digits.append(q)
    twice = 2 * b - tens
    if high and (not low or twice > 0 or (twice == 0 and digits[-1] % 2)):
        return _rounded_up(digits, dec_exp + 1)
    return "".join(map(str, digits)), dec_exp + 1


def _rounded_up(digits: list[int], exponent: int) -> tuple[str, int]:
    text = str(int("".join(map(str, digits))) + 1).rjust(len(digits), "0")
    return text, exponent + (len(text) > len(digits))
