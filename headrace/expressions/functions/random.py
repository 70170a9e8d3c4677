"""rand, randn and uuid, which a replay gives again.

Each row's number comes from where its event stands in Kafka (columns `_topic`, `_partition`, `_offset` of the
frame), from the place of the call in the expression, and from the seed. It is drawn by hashing (splitmix64),
so it does not depend on how rows are cut into batches. Spark's own numbers differ: they follow its partitions.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from headrace.expressions.coercion import Kind, implicit
from headrace.expressions.columns import per_column
from headrace.expressions.registry import operation
from headrace.expressions.value import Value
from headrace.types import DataType, Float64, Int64, String

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

POSITION = ("_topic", "_partition", "_offset")
GROUP = "random"
_SEED_NOTE = "seeded by topic, partition, offset and place in the expression"


def splitmix64(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014) on unsigned 64-bit numbers."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _bits(place: int, topic: pl.Series, partition: pl.Series, offset: pl.Series) -> np.ndarray:
    names = topic.cast(pl.String).fill_null("")
    crc = {name: zlib.crc32(name.encode()) for name in names.unique()}
    h = names.replace_strict(crc, return_dtype=pl.UInt64).to_numpy() if len(names) else np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        for part in (partition, offset):
            h = splitmix64(
                h.astype(np.uint64) + part.cast(pl.Int64).fill_null(0).to_numpy().astype(np.uint64)
            )
        return splitmix64(h + np.uint64(place % 2**64))


def _uniform(bits: np.ndarray) -> np.ndarray:
    """Doubles in [0, 1) with 53 random bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _draw(binder: Binder, seed: Value | None, kind: str) -> Value:
    if seed is not None and (seed.constant is None or implicit(seed.type, Kind.LONG) is None):
        raise binder.mismatch(f"the seed of `{kind}` must be a constant integer")
    known = 0 if seed is None else binder.cast(seed, Int64).known or 0
    place = int(splitmix64(np.array([known % 2**64], np.uint64))[0]) + binder.place()
    t: DataType = String if kind == "uuid" else Float64

    def run(topic: pl.Series, partition: pl.Series, offset: pl.Series) -> pl.Series:
        first = _bits(place, topic, partition, offset)
        second = splitmix64(first ^ np.uint64(0xD1B54A32D192ED03))
        if kind == "rand":
            return pl.Series(_uniform(first))
        if kind == "randn":
            radius = np.sqrt(-2.0 * np.log(1.0 - _uniform(first)))
            return pl.Series(radius * np.cos(2.0 * math.pi * _uniform(second)))
        return pl.Series([_uuid(int(a), int(b)) for a, b in zip(first, second, strict=True)], dtype=pl.String)

    expr = per_column(run, *(pl.col(c) for c in POSITION), returns=t)
    return Value(t, expr, deterministic=False)


def _uuid(high: int, low: int) -> str:
    high = high & ~0xF000 | 0x4000
    low = low & ~(0xC << 60) | (0x8 << 60)
    text = f"{high:016x}{low:016x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@operation(
    "rand", "random", group=GROUP, params=(Int64,), optional=1, raw=True, result="double", notes=_SEED_NOTE
)
def rand(binder: Binder, seed: Value | None = None) -> Value:
    return _draw(binder, seed, "rand")


@operation("randn", group=GROUP, params=(Int64,), optional=1, raw=True, result="double", notes=_SEED_NOTE)
def randn(binder: Binder, seed: Value | None = None) -> Value:
    return _draw(binder, seed, "randn")


@operation("uuid", group=GROUP, raw=True, result="string", notes=_SEED_NOTE)
def uuid(binder: Binder) -> Value:
    return _draw(binder, None, "uuid")
