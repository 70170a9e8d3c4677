"""Numbers, texts, bytes and their logical types: carriers of one Avro scalar as a column of another.

Owns Avro's promotions and the meaning of logical types. Null stays null throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.avro.mapping import data_type
from headrace.avro.marks import Marks, Rows
from headrace.avro.nodes import Fixed, Logical, Primitive
from headrace.avro.varints import I8, U1, Mask
from headrace.types import Date, Decimal, Timestamp

Convert = Callable[[pl.Series, Marks, Rows], pl.Series]
Scalar = Primitive | Fixed

_PROMOTIONS = {
    "int": ("int", "long", "float", "double"),
    "long": ("long", "float", "double"),
    "float": ("float", "double"),
    "string": ("string", "bytes"),
    "bytes": ("bytes", "string"),
}
_INT32 = (-(2**31), 2**31 - 1)
DAYS = (-719_162, 2_932_896)
MICROS = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""The first and last of the years 1 to 9999, as in Spark; beyond them Python and Polars fail to show a value."""

_UNITS = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}  # nanoseconds


def scalar(writer: Scalar, reader: Scalar, path: str) -> Convert | Literal[False] | None:
    """The conversion, None if there is nothing to do, False if Avro has none."""
    if isinstance(writer, Fixed) or isinstance(reader, Fixed):
        if not (isinstance(writer, Fixed) and isinstance(reader, Fixed) and writer.size == reader.size):
            return False
        kind = "fixed"
    else:
        kind = reader.kind
        if kind not in _PROMOTIONS.get(writer.kind, (writer.kind,)):
            return False
    if reader.logical is not None and reader.logical.name == "decimal":
        return _decimal(writer.logical, reader.logical, path)
    narrow = isinstance(writer, Primitive) and writer.kind == "int"
    return _plain(writer, reader, kind, narrow, path)


def _plain(writer: Scalar, reader: Scalar, kind: str, narrow: bool, path: str) -> Convert | None:
    target = data_type(reader).polars
    if kind == "fixed":
        is_uuid = reader.logical is not None and reader.logical.name == "uuid"
        return (lambda c, m, r: uuid_text(c)) if is_uuid else None
    if data_type(reader) == Timestamp:
        logical = writer.logical if writer.logical and "timestamp" in writer.logical.name else reader.logical
        assert logical is not None
        return _timestamp(_UNITS[logical.name.rpartition("-")[2]], path)
    if data_type(reader) == Date:
        return lambda c, m, r: _date(c, m, r, path)
    if narrow:
        return lambda c, m, r: _int32(c, m, r, path).cast(target)
    if kind in ("long", "float", "double") and isinstance(writer, Primitive) and writer.kind != kind:
        return lambda c, m, r: c.cast(target)
    if kind == "string" and isinstance(writer, Primitive) and writer.kind == "bytes":
        return lambda c, m, r: text(c, m, r, path)
    if kind == "bytes" and isinstance(writer, Primitive) and writer.kind == "string":
        return lambda c, m, r: c.cast(pl.Binary)
    return None


def _within(column: pl.Series, low: int, high: int, marks: Marks, rows: Rows, detail: str) -> pl.Series:
    """The numbers, those outside the bounds marked and zero."""
    least, most = column.min(), column.max()
    if least is None or (int(least) >= low and int(most) <= high):  # type: ignore[arg-type]
        return column
    bad = ~column.is_between(low, high).fill_null(True)
    marks.mark(bad.to_numpy(), rows, "decode", detail)
    return column.set(bad, 0)


def _int32(column: pl.Series, marks: Marks, rows: Rows, path: str) -> pl.Series:
    return _within(column, *_INT32, marks, rows, f"field `{path}`: an int beyond 32 bits")


def _date(column: pl.Series, marks: Marks, rows: Rows, path: str) -> pl.Series:
    detail = f"field `{path}`: a date outside the years 1 to 9999"
    return _within(column, *DAYS, marks, rows, detail).cast(pl.Int32).cast(pl.Date)


def _timestamp(unit: int, path: str) -> Convert:
    name = {1_000_000: "milliseconds", 1_000: "microseconds", 1: "nanoseconds"}[unit]
    detail = f"field `{path}`: a time outside the years 1 to 9999 (its schema says it is in {name})"
    low, high = (bound * 1_000 // unit for bound in MICROS)

    def convert(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
        column = _within(column, max(low, -(2**63)), min(high, 2**63 - 1), marks, rows, detail)
        column = column // 1_000 if unit == 1 else column * (unit // 1_000) if unit > 1_000 else column
        return column.cast(Timestamp.polars)

    return convert


def text(column: pl.Series, marks: Marks, rows: Rows, path: str) -> pl.Series:
    """Bytes as text; those that are not UTF-8 marked."""
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        bad = np.fromiter((not is_utf8(v) for v in column), np.bool_, len(column))
        marks.mark(bad, rows, "decode", f"field `{path}`: the text is not UTF-8")
        return column.set(pl.Series(bad), None).cast(pl.String)


def is_utf8(value: bytes | None) -> bool:
    try:
        str(value or b"", "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def uuid_text(column: pl.Series) -> pl.Series:
    """16 bytes as ``8-4-4-4-12`` hexadecimal digits (RFC 9562)."""
    digits = column.bin.encode("hex")
    parts = [digits.str.slice(i, n) for i, n in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return pl.select(pl.concat_str([pl.lit(p) for p in parts], separator="-")).to_series()


def _decimal(written: Logical | None, read: Logical, path: str) -> Convert | Literal[False]:
    if written is not None and written.name == "decimal" and written.scale != read.scale:
        return False

    def convert(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
        values, bad = decimals(column, Decimal(read.precision, read.scale))
        detail = f"field `{path}`: more than {read.precision} digits"
        marks.mark(bad, rows, "decode", detail)
        return values

    return convert


def decimals(column: pl.Series, type_: Decimal) -> tuple[pl.Series, Mask]:
    """Big-endian two's complement numbers of any length as decimals, and a mask of those with too many digits.

    An empty value is zero. Bytes beyond the sixteenth may only repeat the sign.
    """
    present = column.is_not_null().to_numpy()
    flat = column.fill_null(b"").to_arrow().cast(pa.large_binary())
    _, offsets, values = flat.buffers()
    ends = np.frombuffer(offsets, np.int64)[flat.offset : flat.offset + len(column) + 1]
    starts, ends = ends[:-1], ends[1:]
    data = np.frombuffer(values or b"\0", np.uint8)
    sign = np.where((ends > starts) & (data[np.minimum(starts, len(data) - 1)] >= 128), 255, 0).astype(
        np.uint8
    )
    little = np.empty((len(column), 16), np.uint8)
    for k in range(16):
        at = ends - 1 - k
        little[:, k] = np.where(at >= starts, data[np.maximum(at, 0)], sign)
    bad = _long_ones(data, starts, ends, sign) | ((little[:, 15] >= 128) != (sign == 255))
    little[bad] = 0
    bad |= _too_wide(little, type_.precision)
    little[bad] = 0
    exact = pa.decimal128(type_.precision, type_.scale)
    wide = pa.Decimal128Array.from_buffers(exact, len(column), [None, pa.py_buffer(little.tobytes())])
    series = pl.Series(pl.from_arrow(wide))
    return (series if present.all() else series.set(pl.Series(~present), None)), bad & present


def _long_ones(data: U1, starts: I8, ends: I8, sign: U1) -> Mask:
    """Values of more than sixteen bytes whose surplus is not only sign."""
    bad = np.zeros(len(starts), np.bool_)
    for i in np.flatnonzero(ends - starts > 16).tolist():
        bad[i] = bool((data[starts[i] : ends[i] - 16] != sign[i]).any())
    return bad


def _too_wide(little: U1, precision: int) -> Mask:
    """Which 128-bit numbers have more than `precision` digits: two 64-bit halves compared with the bound's."""
    halves = little.view("<u8")
    low, high = halves[:, 0].copy(), halves[:, 1].copy()
    negative = high >= np.uint64(1 << 63)
    low[negative] = ~low[negative] + np.uint64(1)  # two's complement: invert, add one, carry
    high[negative] = ~high[negative] + (low[negative] == 0).astype(np.uint64)
    bound = 10**precision
    bound_low, bound_high = np.uint64(bound & (2**64 - 1)), np.uint64(bound >> 64)
    return np.asarray((high > bound_high) | ((high == bound_high) & (low >= bound_low)))
