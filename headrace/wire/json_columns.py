"""JSON values as columns. Owns the choice between the quick and the exact way of reading them.

The exact way is the definition: one JSON object a value (orjson), taken as `headrace.avro.encode` takes it for
each type, unknown fields left out. So a timestamp is ISO 8601 text or an integer in the unit of its logical type
(microseconds where the schema is a mapping of types), bytes are base64, a decimal is text or a number, a missing
field takes its default, else null if it may be null. The quick way, Arrow's JSON reader over all values at once,
agrees with it or refuses; what it refuses is located and read the exact way, as are schemas it has no type for
(maps, bytes, decimals, unions of several): about 10 us an event instead of 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.json

from headrace.avro import spans
from headrace.avro.columnar import ColumnarDecoder, Columns
from headrace.avro.declared import record_of
from headrace.avro.encode import compile_writer
from headrace.avro.mapping import data_type
from headrace.avro.marks import Marks
from headrace.avro.nodes import Node, Primitive, Union
from headrace.avro.plain import InvalidValueError
from headrace.avro.schema import AvroSchema
from headrace.avro.varints import I8, U1, Mask
from headrace.types import DataType
from headrace.wire.json_types import BeyondArrowError, arrow_schema, column, observed_forms

_SPACE = np.frombuffer(b" \t\r\n", np.uint8)
_SMALLEST_HALF = 64


class JsonDecoder:
    """Decodes JSON objects as the columns of a schema. Not shared by threads."""

    def __init__(self, schema: AvroSchema | Mapping[str, DataType]) -> None:
        self.record = schema.root if isinstance(schema, AvroSchema) else record_of(schema)
        self._dtypes = {f.name: data_type(f.node).polars for f in self.record.fields}
        self._write = compile_writer(self.record, lenient=True)
        self._avro = ColumnarDecoder(self.record, self.record)
        self._forms: dict[str, str] = {}
        try:
            arrow_schema(self.record, {})
            self.quick = True
        except BeyondArrowError:
            self.quick = False

    def decode(self, body: memoryview, start: I8, end: I8) -> Columns:
        """The values `body[start[i]:end[i]]`, which ascend and are disjoint."""
        every = np.arange(len(start))
        good: list[tuple[I8, pl.DataFrame]] = []
        slow: list[I8] = []
        if self.quick and len(start):
            self._observe(body, start, end)
            suspects = self._quickly(body, start, end, every, good, slow)
            if suspects is not None:
                slow.append(every[suspects])
                self._halve(body, start, end, every[~suspects], good, slow)
        else:
            slow.append(every)
        exact = np.sort(np.concatenate(slow)) if slow else every[:0]
        bad = self._exactly(body, start, end, exact, good)
        if len(good) == 1:
            return Columns(good[0][1], good[0][0], bad)
        rows = np.concatenate([r for r, _ in good]) if good else every[:0]
        frame = pl.concat([f for _, f in good]) if good else pl.DataFrame(schema=self._dtypes)
        order = np.argsort(rows, kind="stable")
        return Columns(frame[order], rows[order], bad)

    def _observe(self, body: memoryview, start: I8, end: I8) -> None:
        """Learn the forms of times from a few values; what was learnt earlier stands where they say nothing."""
        for i in range(min(4, len(start))):
            try:
                self._forms.update(observed_forms(self.record, orjson.loads(body[start[i] : end[i]])))
            except orjson.JSONDecodeError:
                continue

    def _quickly(
        self,
        body: memoryview,
        start: I8,
        end: I8,
        rows: I8,
        good: list[tuple[I8, pl.DataFrame]],
        slow: list[I8],
    ) -> Mask | None:
        """Read `rows` at once: their columns to `good`, doubtful ones to `slow`. A mask of suspects if refused."""
        found = self._read(body, start[rows], end[rows])
        if found is None:
            return self._suspects(body, start[rows], end[rows])
        marks = Marks(len(rows))
        columns = [
            column(f.node, found[f.name], marks, None, f.default).cast(self._dtypes[f.name]).alias(f.name)
            for f in self.record.fields
        ]
        frame = pl.DataFrame(columns)
        fine = marks.good
        if fine is not None:
            slow.append(rows[~fine])
            rows, frame = rows[fine], frame.filter(pl.Series(fine))
        good.append((rows, frame))
        return None

    def _halve(
        self,
        body: memoryview,
        start: I8,
        end: I8,
        rows: I8,
        good: list[tuple[I8, pl.DataFrame]],
        slow: list[I8],
    ) -> None:
        """What no suspicion foresaw: halves, down to a few values that are read one by one."""
        if not len(rows):
            return
        if len(rows) <= _SMALLEST_HALF:
            slow.append(rows)
        elif self._quickly(body, start, end, rows, good, slow) is not None:
            middle = len(rows) // 2
            self._halve(body, start, end, rows[:middle], good, slow)
            self._halve(body, start, end, rows[middle:], good, slow)

    def _read(self, body: memoryview, start: I8, end: I8) -> pl.DataFrame | None:
        """All values by Arrow's reader; None if it refuses, or if they are not one object each.

        Each value begins with { and ends with }, and a newline follows: none can end inside another (a text cannot
        hold a raw newline, and after } no { may follow inside an object), so as many objects as values means one each.
        """
        data = np.frombuffer(body, np.uint8)
        if not len(start) or (end <= start).any():
            return None
        if (data[start] != ord("{")).any() or (data[end - 1] != ord("}")).any():
            start, end = _stripped(data, start, end)
            if (end <= start).any() or (data[start] != ord("{")).any() or (data[end - 1] != ord("}")).any():
                return None
        lines = _lines(body, start, end)
        try:
            str(lines, "utf-8")  # Arrow does not check
            table = pa.json.read_json(
                pa.BufferReader(lines),
                read_options=pa.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
                parse_options=pa.json.ParseOptions(
                    explicit_schema=arrow_schema(self.record, self._forms), unexpected_field_behavior="ignore"
                ),
            )
        except (pa.ArrowException, UnicodeDecodeError, ValueError):
            return None
        if table.num_rows != len(start):
            return None
        return pl.DataFrame(pl.from_arrow(table))

    def _suspects(self, body: memoryview, start: I8, end: I8) -> Mask:
        """Which values are no JSON object, or have a member of a wrong JSON type (top level only)."""
        allowed = [(f.name, _json_types(f.node)) for f in self.record.fields]
        bad = np.zeros(len(start), np.bool_)
        for i, (low, high) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
            try:
                value = orjson.loads(body[low:high])
            except orjson.JSONDecodeError:
                bad[i] = True
                continue
            bad[i] = type(value) is not dict or any(type(value.get(k)) not in t for k, t in allowed)
        return bad

    def _exactly(
        self, body: memoryview, start: I8, end: I8, rows: I8, good: list[tuple[I8, pl.DataFrame]]
    ) -> list[tuple[int, str, str]]:
        """Read values one by one, as Avro; gives the bad ones."""
        bad, kept, datums = [], [], []
        for row in rows.tolist():
            try:
                value = orjson.loads(body[start[row] : end[row]])
                if not isinstance(value, dict):
                    raise InvalidValueError("", f"a JSON {type(value).__name__}", "a JSON object")
                datums.append(self._write(value, ""))
                kept.append(row)
            except orjson.JSONDecodeError as error:
                bad.append((row, "decode", f"the value is not JSON: {error}"))
            except InvalidValueError as error:
                bad.append((row, "decode", error.detail))
        if kept:
            ends = np.cumsum(np.array([len(d) for d in datums], np.int64))
            starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
            found = self._avro.decode(memoryview(b"".join(datums)), starts, ends)
            good.append((np.array(kept, np.int64)[found.good], found.frame))
            bad += [(kept[i], reason, detail) for i, reason, detail in found.bad]
        return sorted(bad)


def _lines(body: memoryview, start: I8, end: I8) -> memoryview | bytes:
    """The ranges, each with a newline behind it."""
    if end[-1] < len(body) and (end[:-1] < start[1:]).all():
        buffer = np.frombuffer(spans.joined(body, start, end + 1), np.uint8).copy()
        buffer[np.cumsum(end - start + 1) - 1] = ord("\n")
        return buffer.data
    return b"".join(bytes(body[s:e]) + b"\n" for s, e in zip(start.tolist(), end.tolist(), strict=True))


def _stripped(data: U1, start: I8, end: I8) -> tuple[I8, I8]:
    """Without JSON's white space around."""
    start, end = start.copy(), end.copy()
    while True:
        lead = (start < end) & np.isin(data[np.minimum(start, len(data) - 1)], _SPACE)
        trail = (start < end) & np.isin(data[end - 1], _SPACE) & ~lead
        if not (lead | trail).any():
            return start, end
        start += lead
        end -= trail


def _json_types(node: Node) -> tuple[type, ...]:
    """The Python types of what JSON may say for a node (more than is right, never less)."""
    if isinstance(node, Union):
        return tuple({t for b in node.branches for t in _json_types(b)} | {type(None)})
    if isinstance(node, Primitive) and node.logical is None:
        found = {
            "boolean": (bool,),
            "int": (int,),
            "long": (int,),
            "float": (int, float),
            "double": (int, float),
        }
        return found.get(node.kind, (str, type(None)))
    return (str, int, float, list, dict)
