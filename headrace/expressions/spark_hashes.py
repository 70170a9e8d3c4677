"""Spark's Murmur3_x86_32 and XXH64 of a value, by its type (HashExpression): exact, a value at a time.

A null leaves the running hash as it is; an array or struct folds its members in.
"""

from __future__ import annotations

import decimal
import struct
from collections.abc import Sequence
from typing import Any

from headrace.expressions.intervals import Interval
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    List,
    Null,
    String,
    Struct,
)

SEED = 42
_32 = 0xFFFFFFFF
_64 = 0xFFFFFFFFFFFFFFFF
_P = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def hash_row(values: Sequence[Any], types: Sequence[DataType], wide: bool) -> int:
    """The signed hash of several values: 64 bits if `wide` (XXH64), else 32 (Murmur3)."""
    h = SEED
    for v, t in zip(values, types, strict=True):
        h = _fold(v, t, h, wide)
    bits = 64 if wide else 32
    return h - (1 << bits) if h >= 1 << (bits - 1) else h


def _fold(v: Any, t: DataType, h: int, wide: bool) -> int:
    if v is None or t == Null:
        return h
    if isinstance(t, List):
        for x in v:
            h = _fold(x, t.item, h, wide)
        return h
    if isinstance(t, Struct):
        for name, m in t.fields:
            h = _fold(v[name], m, h, wide)
        return h
    whole_int, whole_long, raw = (_xx_int, _xx_long, _xx_bytes) if wide else (_mm_int, _mm_long, _mm_bytes)
    if t in (Bool, Int8, Int16, Int32, Date):
        return whole_int(int(v) & _32, h)
    if t == Float32:
        return whole_int(_float_bits(v), h)
    if t == Float64:
        bits = struct.unpack("<Q", struct.pack("<d", 0.0 if v == 0 else v))[0]
        return whole_long(0x7FF8000000000000 if v != v else bits, h)
    if t in (String, Bytes):
        return raw(v.encode() if isinstance(v, str) else v, h)
    if isinstance(t, Decimal):
        unscaled = int(v.scaleb(t.scale, decimal.Context(prec=60)))
        if t.precision <= 18:
            return whole_long(unscaled & _64, h)
        size = (unscaled if unscaled >= 0 else -unscaled - 1).bit_length() // 8 + 1
        return raw(unscaled.to_bytes(size, "big", signed=True), h)
    if isinstance(t, Interval) and t.polars == Int32.polars:
        return whole_int(v & _32, h)
    return whole_long(int(v) & _64, h)


def _float_bits(v: float) -> int:
    if v != v:
        return 0x7FC00000
    return int(struct.unpack("<I", struct.pack("<f", 0.0 if v == 0 else v))[0])


def _rotl(x: int, n: int, mask: int, bits: int) -> int:
    return ((x << n) | (x >> (bits - n))) & mask


def _mm_mix(k: int, h: int) -> int:
    k = _rotl(k * 0xCC9E2D51 & _32, 15, _32, 32) * 0x1B873593 & _32
    return (_rotl(h ^ k, 13, _32, 32) * 5 + 0xE6546B64) & _32


def _mm_end(h: int, length: int) -> int:
    h ^= length
    h = (h ^ h >> 16) * 0x85EBCA6B & _32
    h = (h ^ h >> 13) * 0xC2B2AE35 & _32
    return h ^ h >> 16


def _mm_int(v: int, h: int) -> int:
    return _mm_end(_mm_mix(v, h), 4)


def _mm_long(v: int, h: int) -> int:
    return _mm_end(_mm_mix(v >> 32, _mm_mix(v & _32, h)), 8)


def _mm_bytes(b: bytes, h: int) -> int:
    """Whole words, then each byte left over as a signed int of its own."""
    words = len(b) // 4 * 4
    for i in range(0, words, 4):
        h = _mm_mix(int.from_bytes(b[i : i + 4], "little"), h)
    for byte in b[words:]:
        h = _mm_mix((byte - 256 if byte > 127 else byte) & _32, h)
    return _mm_end(h, len(b))


def _xx_end(h: int) -> int:
    h = (h ^ h >> 33) * _P[1] & _64
    h = (h ^ h >> 29) * _P[2] & _64
    return h ^ h >> 32


def _xx_int(v: int, seed: int) -> int:
    h = (seed + _P[4] + 4) & _64
    h ^= v * _P[0] & _64
    return _xx_end((_rotl(h, 23, _64, 64) * _P[1] + _P[2]) & _64)


def _xx_word(h: int, v: int) -> int:
    h ^= _rotl(v * _P[1] & _64, 31, _64, 64) * _P[0] & _64
    return (_rotl(h, 27, _64, 64) * _P[0] + _P[3]) & _64


def _xx_long(v: int, seed: int) -> int:
    return _xx_end(_xx_word((seed + _P[4] + 8) & _64, v))


def _xx_bytes(b: bytes, seed: int) -> int:
    at = 0
    if len(b) >= 32:
        lanes = [(seed + _P[0] + _P[1]) & _64, (seed + _P[1]) & _64, seed, (seed - _P[0]) & _64]
        while at + 32 <= len(b):
            for i in range(4):
                word = int.from_bytes(b[at : at + 8], "little")
                lanes[i] = _rotl((lanes[i] + word * _P[1]) & _64, 31, _64, 64) * _P[0] & _64
                at += 8
        h = sum(_rotl(v, n, _64, 64) for v, n in zip(lanes, (1, 7, 12, 18), strict=True)) & _64
        for v in lanes:
            h ^= _rotl(v * _P[1] & _64, 31, _64, 64) * _P[0] & _64
            h = (h * _P[0] + _P[3]) & _64
    else:
        h = (seed + _P[4]) & _64
    h = (h + len(b)) & _64
    while at + 8 <= len(b):
        h = _xx_word(h, int.from_bytes(b[at : at + 8], "little"))
        at += 8
    if at + 4 <= len(b):
        h ^= int.from_bytes(b[at : at + 4], "little") * _P[0] & _64
        h = (_rotl(h, 23, _64, 64) * _P[1] + _P[2]) & _64
        at += 4
    for byte in b[at:]:
        h = _rotl(h ^ byte * _P[4] & _64, 11, _64, 64) * _P[0] & _64
    return _xx_end(h)
