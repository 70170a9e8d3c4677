"""Digests and Spark's own hashes. Bytes in, lower-case hexadecimal or numbers out."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.coercion import Kind
from headrace.expressions.columns import per_value
from headrace.expressions.registry import operation
from headrace.expressions.spark_hashes import hash_row
from headrace.expressions.value import Value, combined
from headrace.types import Bytes, Int32, Int64, Map, String

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "hash"


@operation("md5", group=GROUP, params=(Bytes,), returns=String, by_value=True)
def md5(x: Value) -> pl.Expr:
    return per_value(lambda b: hashlib.md5(b, usedforsecurity=False).hexdigest(), x.expr, returns=String)


@operation("sha1", "sha", group=GROUP, params=(Bytes,), returns=String, by_value=True)
def sha1(x: Value) -> pl.Expr:
    return per_value(lambda b: hashlib.sha1(b, usedforsecurity=False).hexdigest(), x.expr, returns=String)


@operation(
    "sha2",
    group=GROUP,
    params=(Bytes, Int32),
    returns=String,
    by_value=True,
    notes="224, 256 (or 0), 384, 512 bits; else null",
)
def sha2(x: Value, bits: Value) -> pl.Expr:
    names = {0: "sha256", 224: "sha224", 256: "sha256", 384: "sha384", 512: "sha512"}

    def run(b: bytes, n: int) -> str | None:
        return hashlib.new(names[n], b).hexdigest() if n in names else None

    return per_value(run, x.expr, bits.expr, returns=String)


@operation("crc32", group=GROUP, params=(Bytes,), returns=Int64, by_value=True)
def crc32(x: Value) -> pl.Expr:
    return per_value(zlib.crc32, x.expr, returns=Int64)


def _hashed(binder: Binder, wide: bool, values: tuple[Value, ...]) -> Value:
    for v in values:
        if isinstance(v.type, Map):
            raise binder.mismatch("a map has no hash, since its order means nothing")
    types = [v.type for v in values]
    t = Int64 if wide else Int32
    expr = per_value(lambda *xs: hash_row(xs, types, wide), *(v.expr for v in values), returns=t, nulls=True)
    return combined(t, expr, values)


@operation(
    "hash",
    group=GROUP,
    params=(Kind.ANY,),
    arity=(1, None),
    raw=True,
    result="int",
    by_value=True,
    notes="Murmur3, seed 42",
)
def murmur(binder: Binder, *values: Value) -> Value:
    return _hashed(binder, False, values)


@operation(
    "xxhash64",
    group=GROUP,
    params=(Kind.ANY,),
    arity=(1, None),
    raw=True,
    result="bigint",
    by_value=True,
    notes="seed 42",
)
def xxhash64(binder: Binder, *values: Value) -> Value:
    return _hashed(binder, True, values)
