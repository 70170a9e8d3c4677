"""The exact way of decoding: every datum walked from its own start to its own end, all of them side by side.

Takes any valid encoding of any schema, judges each record on its own, and gives the same carriers as the quick
way; a bad record cannot touch its neighbours. No Python per record: each step reads one value of every datum
(an array costs one step an item, all datums at once). About three times the cost of the quick way, so it runs
after a refusal, and for schemas that Polars cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace import arrow
from headrace.avro import spans, varints
from headrace.avro.carriers import dtype, least_size, nulls, repeated, without_maps
from headrace.avro.flat import Run, describe, is_flat, read_run, run_of
from headrace.avro.nodes import Array, Enum, Field, Fixed, Node, Primitive, Record, Union, is_null
from headrace.avro.varints import I8, U1, Mask

MOST_EMPTY_ITEMS = 65_536
"""Items of an array that take no bytes: a bound where the datum's length gives none."""

TOO_SHORT = "the datum is shorter than its schema says"
LEFT_OVER = "bytes are left over behind the last field"

_WIDTHS = {"boolean": ("u1", 1), "float": ("<f4", 4), "double": ("<f8", 8)}


@dataclass(frozen=True)
class Walked:
    """`frame`: carriers, one row a datum, those of bad rows without meaning. `fault`: per row 0 if it is good,
    else one more than an index into `messages`."""

    frame: pl.DataFrame
    fault: I8
    messages: list[str]


class Walk:
    """The exact way for one writer's schema. `native`: whether to use machine code where it is to be had."""

    def __init__(self, record: Record, *, native: bool = True) -> None:
        self.native = native
        self.record = without_maps(record)
        self.parts: dict[int, tuple[Run | Field, ...]] = {}  # of each record in the tree, by its id
        self._plan(self.record)

    def _plan(self, node: Node) -> None:
        match node:
            case Record(_, fields):
                self.parts[id(node)] = _parts(node)
                for f in fields:
                    self._plan(f.node)
            case Array(items):
                self._plan(items)
            case Union(branches):
                for branch in branches:
                    self._plan(branch)

    def __call__(self, body: memoryview, start: I8, end: I8) -> Walked:
        """Decode the datums `body[start[i]:end[i]]`, ascending and disjoint."""
        walker = _Walker(body, len(start), self.parts, self.native)
        rows = np.arange(len(start))
        columns, at = walker.members(self.record, rows, start.copy(), end, "")
        walker.fail(rows, at > end, "", TOO_SHORT)
        walker.fail(rows, at < end, "", LEFT_OVER)
        return Walked(pl.DataFrame(columns), walker.fault, walker.messages)


class _Walker:
    """Every `read` takes values of distinct rows, in ascending order: spans of them ascend and are disjoint."""

    def __init__(
        self, body: memoryview, n: int, parts: Mapping[int, tuple[Run | Field, ...]], native: bool
    ) -> None:
        self.body = body
        self.native = native
        self.parts = parts
        self.data: U1 = np.frombuffer(body, np.uint8)
        self.fault = np.zeros(n, np.int64)
        self.messages: list[str] = []

    def fail(self, rows: I8, bad: Mask, path: str, text: str) -> None:
        """Mark rows; the first fault of a row is kept."""
        if not bad.any():
            return
        hit = rows[bad]
        hit = hit[self.fault[hit] == 0]
        if len(hit):
            self.messages.append(fault_in(path, text))
            self.fault[hit] = len(self.messages)

    def varint(self, rows: I8, at: I8, end: I8, path: str) -> tuple[I8, I8]:
        value, after, bad = varints.read(self.data, at, end)
        if bad.any():
            self.fail(rows, bad, path, "the datum ends too early, or its number takes more than 10 bytes")
            return np.where(bad, 0, value), np.where(bad, end, after)
        return value, after

    def members(self, record: Record, rows: I8, at: I8, end: I8, path: str) -> tuple[list[pl.Series], I8]:
        """The members of a record: runs of flat ones at once, the others one by one."""
        columns: list[pl.Series] = []
        for part in self.parts[id(record)]:
            read = read_run(part, self.data, at, end) if isinstance(part, Run) and self.native else None
            if isinstance(part, Run) and read is not None:
                columns += read.columns
                at = read.at
                if read.fault is not None:
                    self.run_faults(part, rows, read.fault, path)
                continue
            for field in part.fields if isinstance(part, Run) else (part,):
                column, at = self.read(field.node, rows, at, end, _join(path, field.name))
                columns.append(column.alias(field.name))
        return columns, at

    def run_faults(self, run: Run, rows: I8, fault: I8, path: str) -> None:
        for code in np.unique(fault[fault > 0]).tolist():
            field, text = describe(run, code)
            self.fail(rows, fault == code, _join(path, field), text)

    def read(self, node: Node, rows: I8, at: I8, end: I8, path: str) -> tuple[pl.Series, I8]:
        """One value at each position; gives the carriers and the positions behind them."""
        match node:
            case Primitive(kind):
                return self.primitive(kind, rows, at, end, path)
            case Fixed(_, size):
                at, after = self.take(rows, at, end, size, path)
                return spans.binary(self.body, at, after - at), after
            case Enum(_, symbols):
                value, at = self.varint(rows, at, end, path)
                odd = (value < 0) | (value >= len(symbols))
                self.fail(rows, odd, path, f"an enum of {len(symbols)} symbols has no such index")
                return pl.Series(np.where(odd, 0, value)), at
            case Array(items):
                return self.array(items, rows, at, end, path)
            case Record():
                columns, at = self.members(node, rows, at, end, path)
                return pl.DataFrame(columns).to_struct(), at
            case Union():
                return self.union(node, rows, at, end, path)
        raise AssertionError(node)

    def take(self, rows: I8, at: I8, end: I8, size: int | I8, path: str) -> tuple[I8, I8]:
        """Where the next `size` bytes begin and end; both at `end` of the datum where it has fewer."""
        short = size > end - at
        if not short.any():
            return at, at + size
        self.fail(rows, short, path, "the datum ends too early")
        return np.where(short, end, at), np.where(short, end, at + size)

    def primitive(self, kind: str, rows: I8, at: I8, end: I8, path: str) -> tuple[pl.Series, I8]:
        if kind == "null":
            return nulls(pl.Null(), len(at)), at
        if kind in ("int", "long"):
            value, at = self.varint(rows, at, end, path)
            return pl.Series(value), at
        if kind in ("string", "bytes"):
            length, at = self.varint(rows, at, end, path)
            odd = length < 0
            self.fail(rows, odd, path, "a length below zero")
            at, after = self.take(rows, at, end, np.where(odd, 0, length), path)
            found = spans.binary(self.body, at, after - at)
            return (self.text(found, rows, path) if kind == "string" else found), after
        return self.plain(kind, rows, at, end, path)

    def plain(self, kind: str, rows: I8, at: I8, end: I8, path: str) -> tuple[pl.Series, I8]:
        """Booleans and floating-point numbers: as wide as they are."""
        code, width = _WIDTHS[kind]
        at, after = self.take(rows, at, end, width, path)
        if len(self.data) < width:
            return pl.Series(np.zeros(len(at), code)).cast(dtype(Primitive(kind))), after  # type: ignore[arg-type]
        windows = np.ndarray((len(self.data) - width + 1,), code, self.body, 0, (1,))
        value = windows[np.minimum(at, len(windows) - 1)]
        if kind == "boolean":
            self.fail(rows, (value > 1) & (after > at), path, "a boolean is a byte of 0 or 1")
            return pl.Series(value == 1), after
        return pl.Series(value), after

    def text(self, found: pl.Series, rows: I8, path: str) -> pl.Series:
        try:
            return found.cast(pl.String)
        except pl.exceptions.PolarsError:
            bad = np.fromiter((not _is_utf8(v) for v in found), np.bool_, len(found))
            self.fail(rows, bad, path, "the text is not UTF-8")
            empty = pl.Series([b""], dtype=pl.Binary())
            return found.zip_with(pl.Series(~bad), empty.new_from_index(0, len(found))).cast(pl.String)

    def union(self, node: Union, rows: I8, at: I8, end: I8, path: str) -> tuple[pl.Series, I8]:
        tag, at = self.varint(rows, at, end, path)
        odd = (tag < 0) | (tag >= len(node.branches))
        self.fail(rows, odd, path, f"a union of {len(node.branches)} branches has no such index")
        tag, at = np.where(odd, -1, tag), np.where(odd, end, at)
        at = at.copy()
        members = []
        for i, branch in enumerate(node.branches):
            taken = np.flatnonzero(tag == i)
            if is_null(branch):
                members.append(nulls(pl.Null(), len(at)))
                continue
            column, at[taken] = self.read(branch, rows[taken], at[taken], end[taken], path)
            members.append(_scattered(column, taken, len(at)))
        if node.optional is not None:
            return members[node.others[0][0]], at
        tags = pl.Series("tag", tag)
        return pl.DataFrame([tags, *(m.alias(f"b{i}") for i, m in enumerate(members))]).to_struct(), at

    def array(self, items: Node, rows: I8, at: I8, end: I8, path: str) -> tuple[pl.Series, I8]:
        least = least_size(items)
        left = np.zeros(len(at), np.int64)  # items left of the block that a list is in
        empties = np.zeros(len(at), np.int64)
        at = at.copy()
        lists, pieces = [], []
        active = np.arange(len(at))
        while len(active):
            fresh = active[left[active] == 0]
            if len(fresh):
                left[fresh], at[fresh] = self.block(rows[fresh], at[fresh], end[fresh], least, path)
                if not least:
                    empties[fresh] += left[fresh]
                    over = empties[fresh] > MOST_EMPTY_ITEMS
                    self.fail(
                        rows[fresh], over, path, f"more than {MOST_EMPTY_ITEMS} items that take no bytes"
                    )
                    left[fresh[over]] = 0
                active = active[left[active] > 0]
                if not len(active):
                    break
            column, at[active] = self.read(items, rows[active], at[active], end[active], path + "[]")
            lists.append(active)
            pieces.append(column)
            left[active] -= 1
            active = active[self.fault[rows[active]] == 0]
        return _listed(items, lists, pieces, len(at)), at

    def block(self, rows: I8, at: I8, end: I8, least: int, path: str) -> tuple[I8, I8]:
        """The count of the next block, 0 at the end of the list; a negative one is followed by the block's bytes."""
        n, at = self.varint(rows, at, end, path)
        sized = n < 0
        if sized.any():
            _, after = self.varint(rows[sized], at[sized], end[sized], path)
            at = at.copy()
            at[sized] = after
            n = np.where(sized, -n, n)
        many = (n < 0) | (n > (end - at) // least if least else n > MOST_EMPTY_ITEMS)
        self.fail(rows, many, path, "more items than its bytes can hold")
        return np.where(many, 0, n), np.where(many, end, at)


def fault_in(path: str, text: str) -> str:
    """What is wrong with a datum: at the field `path`, or, where that is empty, with all of it."""
    return f"field `{path}`: {text}" if path else text


def _parts(record: Record) -> tuple[Run | Field, ...]:
    """A record's fields, consecutive flat ones together."""
    parts: list[Run | Field] = []
    run: list[Field] = []
    for field in record.fields:
        if is_flat(field.node):
            run.append(field)
            continue
        if run:
            parts.append(run_of(tuple(run)))
            run = []
        parts.append(field)
    return (*parts, run_of(tuple(run))) if run else tuple(parts)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_utf8(value: bytes | None) -> bool:
    try:
        str(value or b"", "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _scattered(column: pl.Series, taken: I8, n: int) -> pl.Series:
    """`column` at the rows `taken` of `n`, null elsewhere."""
    if len(taken) == n:
        return column
    place = np.full(n, -1, np.int64)
    place[taken] = np.arange(len(taken))
    index = pl.Series(place)
    index = pl.select(pl.when(pl.lit(index) >= 0).then(pl.lit(index))).to_series()
    if not len(column):
        return nulls(column.dtype, n)
    return column.gather(index)


def _listed(items: Node, lists: list[I8], pieces: list[pl.Series], n: int) -> pl.Series:
    """Lists from their first items, their second items, and so on."""
    if not pieces:
        return repeated(pl.Series([[]], dtype=pl.List(dtype(items))), n)
    owner = np.concatenate(lists)
    values = pl.concat([p.alias("") for p in pieces]).gather(np.argsort(owner, kind="stable"))
    return arrow.lists(np.bincount(owner, minlength=n), values)
