"""Runs of plain fields read by one compiled pass. Owns the run's program and how its output becomes carriers.

A run is what stands between two arrays, maps or other structures in a record: primitives, enums and fixed, bare or
in a union with null, and records of them. Without numba there are no runs, and the walk goes field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.avro import flat_kernel as k
from headrace.avro.carriers import nulls
from headrace.avro.nodes import Enum, Field, Fixed, Node, Primitive, Record, Union, is_null
from headrace.avro.varints import I8, U1

_KINDS = {
    "int": k.VARINT,
    "long": k.VARINT,
    "bytes": k.BYTES,
    "string": k.TEXT,
    "boolean": k.BOOLEAN,
    "float": k.WIDE4,
    "double": k.WIDE8,
}
_FAULTS = {
    k.SHORT: "the datum ends too early",
    k.LONG_VARINT: "a number takes more than 10 bytes",
    k.NEGATIVE: "a length below zero",
    k.NO_BRANCH: "a union of 2 branches has no such index",
    k.NO_BOOLEAN: "a boolean is a byte of 0 or 1",
    k.NO_SYMBOL: "an enum has no such index",
    k.NOT_UTF8: "the text is not UTF-8",
}
_LARGEST = 2**31 - 1  # positions in Arrow's views


@dataclass(frozen=True)
class Leaf:
    """One plain field: where it stands, the null branch of its union (-1: none) and where its output goes."""

    path: str
    node: Node
    kind: int
    bound: int
    null: int
    out: int
    there: int


@dataclass(frozen=True)
class Run:
    """The fields of a run, as given and as leaves."""

    fields: tuple[Field, ...]
    leaves: tuple[Leaf, ...]
    program: I8
    numbers: int
    views: int
    optionals: int


def is_flat(node: Node) -> bool:
    """Whether a compiled pass can read it."""
    match node:
        case Primitive() | Fixed() | Enum():
            return True
        case Record(_, fields):
            return all(is_flat(f.node) for f in fields)
        case Union():
            return isinstance(node.optional, Primitive | Fixed | Enum)
    return False


def run_of(fields: tuple[Field, ...]) -> Run:
    """The program for consecutive flat fields."""
    leaves: list[Leaf] = []
    counts = [0, 0, 0]  # numbers, views, optionals

    def add(node: Node, path: str) -> None:
        if isinstance(node, Record):
            for f in node.fields:
                add(f.node, f"{path}.{f.name}")
            return
        null = -1
        inner: Node = node
        if isinstance(node, Union):
            null = -1 if node.null is None else node.null
            inner = node.others[0][1]
        if is_null(inner):
            return
        kind, bound = _kind(inner)
        viewed = int(kind in (k.BYTES, k.TEXT, k.FIXED))
        there = counts[2] if null >= 0 else -1
        leaves.append(Leaf(path, node, kind, bound, null, counts[viewed], there))
        counts[viewed] += 1
        counts[2] += null >= 0

    for f in fields:
        add(f.node, f.name)
    program = np.array([[x.kind, x.bound, x.null, x.out, x.there] for x in leaves], np.int64).reshape(-1, 5)
    return Run(fields, tuple(leaves), program, *counts)


def _kind(node: Node) -> tuple[int, int]:
    match node:
        case Primitive(kind):
            return _KINDS[kind], 0
        case Fixed(_, size):
            return k.FIXED, size
        case Enum(_, symbols):
            return k.VARINT, len(symbols)
    raise AssertionError(node)


@dataclass(frozen=True)
class Read:
    """`columns`: carriers of the run's fields. `at`: behind the run. `fault`: per datum, 0 or what `describe` tells."""

    columns: list[pl.Series]
    at: I8
    fault: I8 | None


def read_run(run: Run, data: U1, at: I8, end: I8) -> Read | None:
    """Read a run of every datum; None if there is no compiled pass, or more bytes than Arrow's views can point into."""
    n = len(at)
    walk = k.FLAT_WALK.worth(n)
    if walk is None or len(data) > _LARGEST:
        return None
    at = at.copy()
    numbers = np.zeros((run.numbers, n), np.int64)
    views = np.zeros((run.views, 2 * n), np.uint64)
    there = np.zeros((run.optionals, n), np.uint8)
    fault = np.zeros(n, np.int64)
    end = np.ascontiguousarray(end)
    faulty = walk(data, at, end, run.program, numbers, views, there, fault)
    made = iter([_series(leaf, data, numbers, views, there, n) for leaf in run.leaves])

    return Read([_built(f.node, made, n).alias(f.name) for f in run.fields], at, fault if faulty else None)


def _built(node: Node, leaves: Iterator[pl.Series], n: int) -> pl.Series:
    """A field from its leaves, which come in order."""
    if isinstance(node, Record):
        return pl.DataFrame([_built(f.node, leaves, n).alias(f.name) for f in node.fields]).to_struct()
    return nulls(pl.Null(), n) if is_null(node) else next(leaves)


def describe(run: Run, fault: int) -> tuple[str, str]:
    """The path of a fault's field, and what is wrong."""
    return run.leaves[fault >> 3].path, _FAULTS[fault & 7]


def _series(leaf: Leaf, data: U1, numbers: I8, views: Any, there: U1, n: int) -> pl.Series:
    valid = None
    if leaf.there >= 0:
        valid = pa.py_buffer(np.packbits(there[leaf.there], bitorder="little"))
    if leaf.kind in (k.BYTES, k.TEXT, k.FIXED):
        dtype = pa.string_view() if leaf.kind == k.TEXT else pa.binary_view()
        buffers = [valid, pa.py_buffer(views[leaf.out]), pa.py_buffer(data)]
        return pl.Series(pl.from_arrow(pa.Array.from_buffers(dtype, n, buffers)))
    values = numbers[leaf.out]
    match leaf.kind:
        case k.BOOLEAN:
            bits = pa.py_buffer(np.packbits(values.astype(np.uint8), bitorder="little"))
            return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.bool_(), n, [valid, bits])))
        case k.WIDE8:
            return _from(pa.float64(), valid, values)
        case k.WIDE4:
            return _from(pa.float32(), valid, values.astype(np.uint32))
    return _from(pa.int64(), valid, values)


def _from(dtype: pa.DataType, valid: pa.Buffer | None, values: Any) -> pl.Series:
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(dtype, len(values), [valid, pa.py_buffer(values)])))
