"""Reading and writing JSON as Spark does with Jackson: paths, numbers kept as written, loose ends refused.

Knows no Polars; one text or value at a time.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import re
from typing import Any

import polars as pl

from headrace.expressions.cast import cast_expression
from headrace.expressions.columns import constant
from headrace.expressions.java_numbers import double_text, float_text
from headrace.expressions.json_parser import NotJsonError, Number, Pairs, load
from headrace.types import (
    FLOATS,
    INTEGERS,
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)

Step = str | int | None
_STEP = re.compile(r"\.\s*([^.\[*]+)|\.\*|\[(\d+)\]|\[\*\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


def path_steps(path: str) -> list[Step] | None:
    """``$.a[0].b[*]`` as names, indexes and None for a wildcard; None if it is no path."""
    if not path.startswith("$"):
        return None
    steps: list[Step] = []
    at = 1
    while at < len(path):
        m = _STEP.match(path, at)
        if m is None:
            return None
        name = next((g for g in (m.group(1), m.group(3), m.group(4)) if g is not None), None)
        if name is not None:
            steps.append(name)
        elif m.group(2) is not None:
            steps.append(int(m.group(2)))
        else:
            steps.append(None if m.group().startswith("[") else "*")
        at = m.end()
    return steps


def at_path(text: str, steps: list[Step]) -> str | None:
    """What get_json_object gives: a string bare, anything else as JSON; null where there is nothing."""
    try:
        document = load(text)
    except NotJsonError:
        return None
    found = list(_walk(document, steps))
    if not found:
        return None
    many = None in steps
    if not many or len(found) == 1:
        value = found[0]
        if many and steps and steps[-1] is None and not isinstance(value, str):
            return dumped(value)
        if isinstance(value, str) and not isinstance(value, Number):
            return value if not many else json.dumps(value, ensure_ascii=False)
        return dumped(value)
    return "[" + ",".join(dumped(v) for v in found) + "]"


def _walk(value: Any, steps: list[Step]) -> Any:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if isinstance(value, list) and not isinstance(value, Pairs) and step < len(value):
            yield from _walk(value[step], rest)
    elif step is None:
        if isinstance(value, list) and not isinstance(value, Pairs):
            for item in value:
                yield from _walk(item, rest)
    elif isinstance(value, Pairs):
        for name, member in value:
            if name == step:
                if member is not None or rest:
                    yield from _walk(member, rest)
                return


def dumped(value: Any) -> str:
    """Compact JSON; floats as Java prints them."""
    if isinstance(value, Number):
        return _number(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{dumped(v)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumped, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _number(text: str) -> str:
    return str(int(text)) if re.fullmatch(r"-?\d+", text) else double_text(float(text))


def document_length(text: str) -> int | None:
    try:
        document = load(text)
    except NotJsonError:
        return None
    return len(document) if isinstance(document, list) and not isinstance(document, Pairs) else None


def object_keys(text: str) -> list[str] | None:
    try:
        document = load(text)
    except NotJsonError:
        return None
    return [k for k, _ in document] if isinstance(document, Pairs) else None


class _UnfitError(ValueError):
    """A JSON value that its type cannot hold: null in PERMISSIVE mode."""


def from_document(text: str, t: DataType) -> Any:
    """from_json in PERMISSIVE mode: members that do not fit are null; a broken document is a struct of nulls,
    or null for an array or map."""
    try:
        document = load(text)
    except NotJsonError:
        return _empty(t) if text.strip() else None
    if isinstance(t, Struct) and isinstance(document, list) and not isinstance(document, Pairs):
        document = document[0] if document else None
    if document is None:
        return _empty(t)
    try:
        return _converted(document, t)
    except _UnfitError:
        return _empty(t)


def _empty(t: DataType) -> Any:
    return {name: None for name, _ in t.fields} if isinstance(t, Struct) else None


def _converted(value: Any, t: DataType) -> Any:
    if value is None:
        return None
    if isinstance(t, Struct) and isinstance(value, Pairs):
        members: dict[str, Any] = dict(value)
        return {name: _member(members.get(name), m) for name, m in t.fields}
    if isinstance(t, Map) and isinstance(value, Pairs):
        return [{"key": k, "value": _converted(v, t.value)} for k, v in value]
    if isinstance(t, List) and isinstance(value, list) and not isinstance(value, Pairs):
        return [_converted(v, t.item) for v in value]
    if t == String:
        return value if isinstance(value, str) and not isinstance(value, Number) else dumped(value)
    if isinstance(t, (Struct, Map, List)):
        raise _UnfitError
    return _scalar(value, t)


def _member(value: Any, t: DataType) -> Any:
    try:
        return _converted(value, t)
    except _UnfitError:
        return None


def _scalar(value: Any, t: DataType) -> Any:
    if t == Bool and isinstance(value, bool):
        return value
    if isinstance(value, Number):
        if t in INTEGERS and re.fullmatch(r"-?\d+", value):
            bits = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}[t.spark]
            if -(2**bits) <= int(value) < 2**bits:
                return int(value)
        elif t in FLOATS:
            return float(value)
        elif isinstance(t, Decimal):
            return decimal.Decimal(value).quantize(
                decimal.Decimal(1).scaleb(-t.scale),
                context=decimal.Context(prec=60, rounding=decimal.ROUND_HALF_UP),
            )
        elif t == Timestamp and re.fullmatch(r"-?\d+", value):
            return int(value) * 1_000_000
    elif isinstance(value, str):
        if t in FLOATS and value in ("NaN", "Infinity", "-Infinity", "+INF", "INF", "-INF"):
            return {"N": math.nan, "-": -math.inf}.get(value[0], math.inf)
        if t in (Date, Timestamp):
            read = cast_expression(constant(value, String), String, t)
            found = pl.select(read.to_physical()).item()
            if found is not None:
                return found if t == Timestamp else datetime.date(1970, 1, 1) + datetime.timedelta(days=found)
        if t == Bytes:
            return base64.b64decode(value)
    raise _UnfitError


def written(value: Any, t: DataType) -> str:
    """to_json: null members of structs are left out."""
    if value is None:
        return "null"
    if isinstance(t, Struct):
        parts = [
            f"{json.dumps(n, ensure_ascii=False)}:{written(value[n], m)}"
            for n, m in t.fields
            if value[n] is not None
        ]
        return "{" + ",".join(parts) + "}"
    if isinstance(t, List):
        return "[" + ",".join(written(v, t.item) for v in value) + "]"
    if isinstance(t, Map):
        return (
            "{"
            + ",".join(
                f"{json.dumps(str(p['key']), ensure_ascii=False)}:{written(p['value'], t.value)}"
                for p in value
            )
            + "}"
        )
    if t in (Float32, Float64):
        text = float_text(value) if t == Float32 else double_text(value)
        return text if math.isfinite(value) else f'"{text}"'
    if t == Bool or t in INTEGERS:
        return str(value).lower()
    if isinstance(t, Decimal):
        return f"{value:f}"
    if t == Bytes:
        return json.dumps(base64.b64encode(value).decode())
    if t == Timestamp:
        return json.dumps(value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z")
    return json.dumps(str(value), ensure_ascii=False)
