"""Runs of plain fields read by one compiled pass. Owns the run's program and how its output becomes carriers.

A run is what stands between two arrays, maps or other structures in a record: primitives, enums and fixed, bare or
in a union with null, and records of them. Without numba there are no runs, and the walk goes field by field.

Several writers' datums can be one run, if the fields that are kept are of equal types: each datum is read as its own
writer wrote it, into the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    """The fields of a run, as given and as leaves, which become columns.

    `steps`: what is read of each writer's datums. `program` and `count`: the same for the compiled pass. `numbers`,
    `views`, `optionals`: rows of its outputs.
    """

    fields: tuple[Field, ...]
    leaves: tuple[Leaf, ...]
    steps: tuple[tuple[Leaf, ...], ...]
    program: I8
    count: I8
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
    """The run of consecutive flat fields."""
    return run_of_writers(fields, [[(f, i) for i, f in enumerate(fields)]])


def run_of_writers(fields: tuple[Field, ...], writers: Sequence[Sequence[tuple[Field, int | None]]]) -> Run:
    """The run that gives flat `fields` from datums of several writers.

    Each writer: its own fields in order, all flat, each with the index of the one of `fields` that it is read into,
    whose type equals its own; None if it is read and dropped. What no field of a writer is read into comes as zeros.
    """
    counts = [0, 0, 0]  # numbers, views, optionals
    columns = [tuple(_leaves(f.node, f.name, counts)) for f in fields]
    spare = tuple(counts)  # the row of each output that what is dropped goes to
    steps: list[tuple[Leaf, ...]] = []
    for written in writers:
        mine: list[Leaf] = []
        for field, into in written:
            read = tuple(_leaves(field.node, field.name, [0, 0, 0]))
            if into is None:
                counts = [n + 1 for n in spare]
                mine += [_placed(leaf, spare[_viewed(leaf.kind)], spare[2]) for leaf in read]
            else:
                places = zip(read, columns[into], strict=True)
                mine += [_placed(leaf, place.out, place.there) for leaf, place in places]
        steps.append(tuple(mine))
    count = np.array([len(each) for each in steps], np.int64)
    program = np.zeros((len(steps), int(count.max(initial=0)), 5), np.int64)
    for rows, each in zip(program, steps, strict=True):
        for row, x in zip(rows, each, strict=False):
            row[:] = x.kind, x.bound, x.null, x.out, x.there
    leaves = tuple(leaf for column in columns for leaf in column)
    return Run(fields, leaves, tuple(steps), program, count, *counts)


def _leaves(node: Node, path: str, counts: list[int]) -> Iterator[Leaf]:
    """The plain fields of a flat one, whose outputs are the next rows; `counts`, of rows so far, move on."""
    if isinstance(node, Record):
        for f in node.fields:
            yield from _leaves(f.node, f"{path}.{f.name}", counts)
        return
    null = -1
    inner: Node = node
    if isinstance(node, Union):
        null = -1 if node.null is None else node.null
        inner = node.others[0][1]
    if is_null(inner):
        return
    kind, bound = _kind(inner)
    yield _placed(Leaf(path, node, kind, bound, null, 0, 0), counts[_viewed(kind)], counts[2])
    counts[_viewed(kind)] += 1
    counts[2] += null >= 0


def _viewed(kind: int) -> bool:
    """Whether a kind's output is views, not numbers."""
    return kind in (k.BYTES, k.TEXT, k.FIXED)


def _placed(leaf: Leaf, out: int, there: int) -> Leaf:
    """The leaf with its output in these rows."""
    return replace(leaf, out=out, there=there if leaf.null >= 0 else -1)


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


def read_run(run: Run, data: U1, at: I8, end: I8, writer: U1 | None = None) -> Read | None:
    """Read a run of every datum; None if there is no compiled pass, or more bytes than Arrow's views can point into.

    `writer`: the index of each datum's writer among the run's; None where there is one.
    """
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
    if writer is None:
        writer = np.zeros(n, np.uint8)
    faulty = walk(data, at, end, writer, run.program, run.count, numbers, views, there, fault)
    made = iter([_series(leaf, data, numbers, views, there, n) for leaf in run.leaves])
    return Read([_built(f.node, made, n).alias(f.name) for f in run.fields], at, fault if faulty else None)


def _built(node: Node, leaves: Iterator[pl.Series], n: int) -> pl.Series:
    """A field from its leaves, which come in order."""
    if isinstance(node, Record):
        return pl.DataFrame([_built(f.node, leaves, n).alias(f.name) for f in node.fields]).to_struct()
    return nulls(pl.Null(), n) if is_null(node) else next(leaves)


def describe(run: Run, fault: int) -> tuple[str, str]:
    """The path of a fault's field, and what is wrong."""
    writer, field = divmod(fault >> 3, run.program.shape[1])
    return run.steps[writer][field].path, _FAULTS[fault & 7]


def _series(leaf: Leaf, data: U1, numbers: I8, views: Any, there: U1, n: int) -> pl.Series:
    valid = None
    if leaf.there >= 0:
        valid = pa.py_buffer(np.packbits(there[leaf.there], bitorder="little"))
    if _viewed(leaf.kind):
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
