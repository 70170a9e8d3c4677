"""Avro's schema resolution, column by column: what the writer wrote, as the reader's columns.

`resolve_columns` compares two schemas once and gives conversions of carriers; SchemaMismatchError where no value
of the writer's could be read. What depends on the value (a null where the reader has none, an enum symbol that it
lacks, a number beyond 32 bits) is marked, row by row, when it is met. Rules: Apache Avro 1.12, "Schema Resolution",
with these liberties: names of records and of fixed types are not compared (producers rename them), and a
timestamp keeps its instant where writer and reader count in different units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import polars as pl

from headrace.arrow import lists
from headrace.avro.carriers import as_array, nulls, repeated
from headrace.avro.mapping import data_type, merged_type, nullable
from headrace.avro.marks import Marks, Rows
from headrace.avro.nodes import (
    MISSING,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    is_null,
    spelled,
)
from headrace.avro.scalars import scalar
from headrace.errors import HeadraceError

Convert: TypeAlias = Callable[[pl.Series, Marks, Rows], pl.Series]
"""Carriers, where to mark bad ones, and the row that each belongs to -> the column."""

Default: TypeAlias = Callable[[Field], pl.Series]
"""The column of one value that a reader's field has where the writer has no such field."""

Column: TypeAlias = Callable[[pl.DataFrame, Marks], pl.Series]

MISMATCH = "schema_mismatch"


class SchemaMismatchError(HeadraceError):
    """No value of the writer's schema can be read by the reader's."""


def resolve_columns(writer: Record, reader: Record, default: Default) -> dict[str, Column]:
    """For each of the reader's columns, how it comes from a frame of the writer's carriers."""
    resolver = _Resolver(default)
    return {f.name: _column(f, *resolver.source(f, writer, "")) for f in reader.fields}


def _column(field: Field, source: Field | pl.Series, convert: Convert | None) -> Column:
    name = field.name
    if isinstance(source, pl.Series):
        return lambda frame, _: repeated(source, frame.height).alias(name)
    there, dtype = source.name, data_type(field.node).polars
    if is_null(source.node):
        return lambda frame, _: nulls(dtype, frame.height).alias(name)
    if convert is None:
        return lambda frame, _: frame[there].alias(name)
    return lambda frame, marks: convert(frame[there], marks, None).alias(name)


def written_as(field: Field, writer: Record) -> Field | None:
    """The writer's field that a reader's is read from, by its name or an alias."""
    written = {f.name: f for f in writer.fields}
    return next((written[n] for n in (field.name, *field.aliases) if n in written), None)


class _Resolver:
    def __init__(self, default: Default) -> None:
        self.default = default

    def resolve(self, writer: Node, reader: Node, path: str) -> Convert | None:
        """How carriers of `writer` become a column of `reader`'s type; None if they already are one."""
        if is_null(writer) and nullable(reader):
            dtype = data_type(reader).polars
            return lambda column, marks, rows: nulls(dtype, len(column))
        if isinstance(writer, Union) and writer.optional is not None:
            return self.from_optional(writer.optional, reader, path)
        if isinstance(writer, Union):
            return self.from_union(writer, reader, path)
        if isinstance(reader, Union):
            return self.to_union(writer, reader, path)
        match writer, reader:
            case Record(), Record():
                return self.struct(writer, reader, path)
            case Array(w), Array(r):
                return self.list(w, r, path)
            case Map(w), Map(r):
                return self.list(as_array(w).items, as_array(r).items, path)
            case Enum(), Enum():
                return _enum(writer, reader, path)
            case ((Primitive() | Fixed()), (Primitive() | Fixed())):
                found = scalar(writer, reader, path)
                if found is not False:
                    return found
        raise _mismatch(path, f"written as {spelled(writer)}, which cannot be read as {spelled(reader)}")

    def source(self, field: Field, writer: Record, path: str) -> tuple[Field | pl.Series, Convert | None]:
        """Where a reader's field comes from: the writer's field of its name or an alias, else its default."""
        inner = f"{path}.{field.name}" if path else field.name
        there = written_as(field, writer)
        if there is not None:
            return there, self.resolve(there.node, field.node, inner)
        if field.default is MISSING:
            raise _mismatch(inner, "the writer has no such field, and the reader's has no default")
        return self.default(field), None

    def struct(self, writer: Record, reader: Record, path: str) -> Convert | None:
        sources = [(f, *self.source(f, writer, path)) for f in reader.fields]
        if [f.name for f in writer.fields] == [f.name for f in reader.fields] and not any(
            convert for _, _, convert in sources
        ):
            return None

        def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
            members = []
            for field, source, convert in sources:
                if isinstance(source, pl.Series):
                    member = repeated(source, len(column))
                elif is_null(source.node):
                    member = nulls(data_type(field.node).polars, len(column))
                else:
                    member = column.struct.field(source.name)
                    member = member if convert is None else convert(member, marks, rows)
                members.append(member.alias(field.name))
            return _where(column.is_not_null(), pl.DataFrame(members).to_struct())

        return change

    def list(self, writer: Node, reader: Node, path: str) -> Convert | None:
        convert = self.resolve(writer, reader, path + "[]")
        if convert is None:
            return None
        dtype = data_type(reader).polars

        def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
            lengths = column.list.len().fill_null(0).to_numpy().astype(np.int64)
            owners = np.repeat(np.arange(len(column)) if rows is None else rows, lengths)
            items = convert(column.explode(empty_as_null=False, keep_nulls=False), marks, owners)
            return _where(column.is_not_null(), lists(lengths, items.cast(dtype)))

        return change

    def from_optional(self, writer: Node, reader: Node, path: str) -> Convert | None:
        """A union of null and `writer`: what null and what the other becomes."""
        try:
            convert = self.resolve(writer, reader, path)
        except SchemaMismatchError:
            if not nullable(reader):
                raise
            return _only_null(path, writer, reader)
        if nullable(reader):
            return convert

        def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
            if column.null_count():
                detail = f"{_at(path)}null, which cannot be read as {spelled(reader)}"
                marks.mark(column.is_null().to_numpy(), rows, MISMATCH, detail)
            return column if convert is None else convert(column, marks, rows)

        return change

    def from_union(self, writer: Union, reader: Node, path: str) -> Convert:
        """A union of several: each branch becomes what it can; a value of one that cannot is a fault."""
        branches: list[Convert | SchemaMismatchError | None] = []
        for branch in writer.branches:
            try:
                branches.append(self.resolve(branch, reader, path))
            except SchemaMismatchError as error:
                branches.append(error)
        if all(isinstance(b, SchemaMismatchError) for b in branches):
            raise _mismatch(path, f"written as {spelled(writer)}, which cannot be read as {spelled(reader)}")
        dtype = data_type(reader).polars

        def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
            tags = column.struct.field("tag").fill_null(-1)
            result = nulls(dtype, len(column))
            for i, convert in enumerate(branches):
                taken = tags == i
                if isinstance(convert, SchemaMismatchError):
                    marks.mark(taken.to_numpy(), rows, MISMATCH, str(convert))
                elif not is_null(writer.branches[i]) and taken.any():
                    member = column.struct.field(f"b{i}")
                    member = member if convert is None else convert(member, marks, rows)
                    result = member.cast(dtype).zip_with(taken, result)
            return result

        return change

    def to_union(self, writer: Node, reader: Union, path: str) -> Convert | None:
        """The first branch of the same type and name, else the first that the value can be read as."""
        errors = []
        ranked = sorted(reader.others, key=lambda b: not _alike(writer, b[1]))
        for index, branch in ranked:
            try:
                convert = self.resolve(writer, branch, path)
            except SchemaMismatchError as error:
                errors.append(error)
                continue
            if len(reader.others) == 1:
                return convert
            if merged_type(reader) is not None:
                dtype = data_type(reader).polars
                change = convert or _same
                return lambda column, marks, rows: change(column, marks, rows).cast(dtype)
            return _member(reader, index, convert)
        raise (
            errors[0]
            if len(errors) == 1
            else _mismatch(path, f"written as {spelled(writer)}, which cannot be read as {spelled(reader)}")
        )


def _member(reader: Union, index: int, convert: Convert | None) -> Convert:
    """The struct of a union of several in which one member is set."""
    members = [(i, f"member{k}", data_type(b).polars) for k, (i, b) in enumerate(reader.others)]

    def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
        value = column if convert is None else convert(column, marks, rows)
        columns = [
            (value.cast(dtype) if i == index else nulls(dtype, len(column))).alias(name)
            for i, name, dtype in members
        ]
        return _where(column.is_not_null(), pl.DataFrame(columns).to_struct())

    return change


def _only_null(path: str, writer: Node, reader: Node) -> Convert:
    dtype = data_type(reader).polars

    def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
        detail = f"{_at(path)}written as {spelled(writer)}, which cannot be read as {spelled(reader)}"
        marks.mark(column.is_not_null().to_numpy(), rows, MISMATCH, detail)
        return nulls(dtype, len(column))

    return change


def _enum(writer: Enum, reader: Enum, path: str) -> Convert:
    """Indices to symbols, as text. A symbol that the reader lacks is its default, or a fault if it has none."""
    known = set(reader.symbols)
    names = pl.Series([s if s in known else reader.default for s in writer.symbols], dtype=pl.String)
    lacking = np.array([s not in known and reader.default is None for s in writer.symbols])

    def change(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
        index = column.fill_null(0).to_numpy()
        outside = (index < 0) | (index >= len(names))
        if outside.any():
            detail = f"{_at(path)}an enum of {len(names)} symbols has no such index"
            marks.mark(outside, rows, "decode", detail)
            column, index = column.set(pl.Series(outside), 0), np.where(outside, 0, index)
        if lacking.any():
            detail = f"{_at(path)}a symbol that the reader's enum lacks"
            marks.mark(lacking[index] & column.is_not_null().to_numpy(), rows, MISMATCH, detail)
        return names.gather(column)

    return change


def _same(column: pl.Series, marks: Marks, rows: Rows) -> pl.Series:
    return column


def _alike(writer: Node, reader: Node) -> bool:
    if isinstance(writer, Primitive) or isinstance(reader, Primitive):
        return isinstance(writer, Primitive) and isinstance(reader, Primitive) and writer.kind == reader.kind
    names = [getattr(n, "name", "").rpartition(".")[2] for n in (writer, reader)]
    return type(writer) is type(reader) and names[0] == names[1]


def _where(there: pl.Series, column: pl.Series) -> pl.Series:
    """The column, null where not `there`."""
    if there.all():
        return column
    return pl.select(pl.when(pl.lit(there)).then(pl.lit(column))).to_series()


def _at(path: str) -> str:
    return f"field `{path}`: " if path else ""


def _mismatch(path: str, text: str) -> SchemaMismatchError:
    return SchemaMismatchError(_at(path) + text)
