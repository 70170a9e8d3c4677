"""Whether decoded columns account for every byte they were read from: the proof that no record smeared.

Polars reads records back to back and knows no ends. If a record's encoded size, computed again from its columns, is
that of its bytes, then by induction every record before it was read from its own bytes; the first that fails is the
first bad one. Unions' tags and booleans are compared with the bytes themselves: Polars takes any tag but null's for
the value, and any byte but 1 for false. Only the canonical encoding passes (one block an array, shortest varints);
others are for the walk.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from headrace.avro.carriers import as_array, has_flag
from headrace.avro.nodes import Array, Enum, Fixed, Map, Node, Primitive, Record, Union, is_null
from headrace.avro.varints import I8, U1, unsigned_size, zigzag_size


def accounts_for(record: Record, frame: pl.DataFrame, data: U1, start: I8, end: I8) -> bool:
    """Whether row i of `frame` (carriers) is exactly what `data[start[i]:end[i]]` encodes."""
    at = start.copy()
    for field in record.fields:
        if is_null(field.node):
            continue
        if not len(at):
            return True
        column = frame[field.name]
        if has_flag(field.node) and not _flags_agree(field.node, column, data, at):
            return False
        at += size(field.node, column)
    return bool((at == end).all())


def size(node: Node, column: pl.Series) -> I8 | int:
    """Bytes of each value as Avro encodes it; meaningless where a value is null without a union."""
    match node:
        case Primitive(kind):
            return _primitive_size(kind, column)
        case Fixed(_, n):
            return n
        case Enum():
            return zigzag_size(_numbers(column))
        case Array(items):
            return _array_size(items, column)
        case Map(values):
            return _array_size(as_array(values).items, column)
        case Record(_, fields):
            total: I8 | int = 0
            for field in fields:
                if not is_null(field.node):
                    total = total + size(field.node, column.struct.field(field.name))
            return total
        case Union():
            inner = node.optional
            assert inner is not None, "other unions are decoded by the walk"
            body = size(inner, column)
            return 1 + np.where(column.is_not_null().to_numpy(), body, 0) if column.null_count() else 1 + body
    raise AssertionError(node)


def _primitive_size(kind: str, column: pl.Series) -> I8 | int:
    match kind:
        case "string" | "bytes":
            n = _numbers(column.str.len_bytes() if kind == "string" else column.bin.size()).astype(np.int64)
            return n + unsigned_size(n << 1)
        case "int" | "long":
            return zigzag_size(_numbers(column))
    return {"boolean": 1, "float": 4, "double": 8}[kind]


def _numbers(column: pl.Series) -> I8:
    return (column.fill_null(0) if column.null_count() else column).to_numpy()


def _array_size(items: Node, column: pl.Series) -> I8:
    lengths, inner, begins = _exploded(column)
    sizes = np.broadcast_to(np.asarray(size(items, inner)), (len(inner),))
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    total = sums[begins + lengths] - sums[begins]
    return np.where(lengths > 0, total + zigzag_size(lengths) + 1, 1)


def _exploded(column: pl.Series) -> tuple[I8, pl.Series, I8]:
    """Lengths of lists, all their items, and where in them each list begins."""
    lengths = _numbers(column.list.len()).astype(np.int64)
    return lengths, column.explode(empty_as_null=False, keep_nulls=False), np.cumsum(lengths) - lengths


def _flags_agree(node: Node, column: pl.Series, data: U1, at: I8) -> bool:
    """Whether each tag and boolean in the values at positions `at` is the byte that the decoded value says."""
    match node:
        case Primitive():
            return _inside(data, at) and bool((data[at] == column.fill_null(False).to_numpy()).all())
        case Union():
            return _optional_agrees(node, column, data, at)
        case Record(_, fields):
            at = at.copy()
            for field in fields:
                if is_null(field.node):
                    continue
                member = column.struct.field(field.name)
                if has_flag(field.node) and not _flags_agree(field.node, member, data, at):
                    return False
                at += size(field.node, member)
            return True
        case Map(values):
            return _flags_agree(as_array(values), column, data, at)
        case Array(items):
            lengths, inner, begins = _exploded(column)
            if not len(inner):
                return True
            sizes = np.broadcast_to(np.asarray(size(items, inner)), (len(inner),))
            ahead = np.cumsum(sizes) - sizes
            first = at + zigzag_size(lengths)
            relative = ahead - np.repeat(ahead[np.minimum(begins, len(inner) - 1)], lengths)
            return _flags_agree(items, inner, data, np.repeat(first, lengths) + relative)
    return True


def _optional_agrees(node: Union, column: pl.Series, data: U1, at: I8) -> bool:
    inner, null = node.optional, node.null
    assert inner is not None
    assert null is not None
    if not _inside(data, at):
        return False
    tags = data[at]
    if not column.null_count():
        there = None
        agree = bool((tags == 2 * (1 - null)).all())
    else:
        there = column.is_not_null()
        agree = bool((tags == np.where(there.to_numpy(), 2 * (1 - null), 2 * null)).all())
    if not agree or not has_flag(inner):
        return agree
    if there is not None:
        column, at = column.filter(there), at[there.to_numpy()]
    return _flags_agree(inner, column, data, at + 1)


def _inside(data: U1, at: I8) -> bool:
    """Whether positions can be looked at; a record is wrong already where not."""
    return not len(at) or int(at.max()) < len(data)
