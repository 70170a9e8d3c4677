"""The corpus's tagged values (README of the cases) against Arrow arrays: how a result is told right or wrong."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from headrace.types import FLOATS, Bytes, DataType, Date, Decimal, Float32, List, Map, Struct, Timestamp


def tagged(array: pa.Array, t: DataType) -> list[Any]:
    """The values of an array in the tagged form of the cases."""
    return [_tag(v, t) for v in _plain(array, t).to_pylist()]


def _plain(array: pa.Array, t: DataType) -> pa.Array:
    """Timestamps and dates as whole numbers, at any depth (Python's own stop at the year 9999)."""
    return array.cast(_carrier(t))


def _carrier(t: DataType) -> pa.DataType:
    if t == Timestamp:
        return pa.int64()
    if t == Date:
        return pa.int32()
    if isinstance(t, List):
        return pa.list_(_carrier(t.item))
    if isinstance(t, Map):
        return pa.list_(pa.struct([("key", _carrier(t.key)), ("value", _carrier(t.value))]))
    if isinstance(t, Struct):
        return pa.struct([(n, _carrier(m)) for n, m in t.fields])
    return t.arrow


def _tag(v: Any, t: DataType) -> Any:
    if v is None:
        return None
    if t in FLOATS and not math.isfinite(v):
        return {"f": "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"}
    if t == Timestamp:
        return {"ts": v}
    if t == Date:
        return {"date": civil(v)}
    if isinstance(t, Decimal):
        return {"dec": format(v, "f")}
    if t == Bytes:
        return {"hex": v.hex()}
    if isinstance(t, List):
        return [_tag(x, t.item) for x in v]
    if isinstance(t, Map):
        return {"map": [[_tag(p["key"], t.key), _tag(p["value"], t.value)] for p in v]}
    if isinstance(t, Struct):
        return {"struct": {n: _tag(v[n], m) for n, m in t.fields}}
    return v


def civil(days: int) -> str:
    """The date text of days since 1970-01-01, for any year (Hinnant's civil_from_days)."""
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (month <= 2)
    sign = "" if 0 <= year <= 9999 else "+" if year > 0 else "-"
    return f"{sign}{abs(year):04d}-{month:02d}-{doy - (153 * mp + 2) // 5 + 1:02d}"


def same(got: Any, want: Any, tol: float, atol: float) -> bool:
    """Whether two tagged values agree: exact, but for floats within `tol` (relative) or `atol`."""
    if isinstance(got, bool) or isinstance(want, bool):
        return got is want
    if isinstance(got, float) or isinstance(want, float):
        if not isinstance(got, (int, float)) or not isinstance(want, (int, float)):
            return False
        return got == want or abs(got - want) <= max(tol * max(abs(got), abs(want)), atol)
    if isinstance(got, list) and isinstance(want, list):
        return len(got) == len(want) and all(same(g, w, tol, atol) for g, w in zip(got, want, strict=True))
    if isinstance(got, dict) and isinstance(want, dict):
        if "map" in got and "map" in want:
            return same(sorted(got["map"], key=str), sorted(want["map"], key=str), tol, atol)
        return got.keys() == want.keys() and all(same(got[k], want[k], tol, atol) for k in got)
    return type(got) is type(want) and got == want


def differences(
    got: list[Any], case: dict[str, Any], t: DataType, rows: list[int] | None = None
) -> list[str]:
    """Where the values of `got` are not those of the case (or of some of its rows), at most five of them."""
    wanted = case["values"] if rows is None else [case["values"][i] for i in rows]
    tol = case.get("tol") or (1e-6 if t == Float32 else 1e-12)
    if len(got) != len(wanted):
        return [f"{len(got)} values for {len(wanted)} rows"]
    found = [
        f"row {i}: got {g!r}, Spark gave {w!r}"
        for i, (g, w) in enumerate(zip(got, wanted, strict=True))
        if not same(g, w, tol, case.get("atol") or 0.0)
    ]
    return found[:5]
