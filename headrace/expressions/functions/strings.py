"""Strings: cutting, joining, padding, searching. Positions count characters (code points) from 1."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import polars as pl

from headrace.expressions.cast import can_cast
from headrace.expressions.coercion import Kind, common
from headrace.expressions.columns import int64, per_value
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import Bool, Bytes, Int32, List, Map, Null, String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "string"
MAX_INT = 2**31 - 1
TEXT = (String, Bytes)


def full(x: Value, *others: Value) -> pl.Expr:
    """`x` as a column of the height of `others`, for methods that want a column to start from."""
    if x.constant is None or all(o.constant is not None for o in others):
        return x.expr
    other = next(o.expr for o in others if o.constant is None)
    return pl.when(other.is_null()).then(x.expr).otherwise(x.expr)


@operation("lower", "lcase", group=GROUP, params=(String,), returns=String)
def lower(x: Value) -> pl.Expr:
    return x.expr.str.to_lowercase()


@operation("upper", "ucase", group=GROUP, params=(String,), returns=String)
def upper(x: Value) -> pl.Expr:
    return x.expr.str.to_uppercase()


@operation("length", "len", "char_length", "character_length", group=GROUP, params=(TEXT,), returns=Int32)
def length(x: Value) -> pl.Expr:
    return (x.expr.bin.size() if x.type == Bytes else x.expr.str.len_chars()).cast(pl.Int32)


@operation("octet_length", group=GROUP, params=(TEXT,), returns=Int32)
def octet_length(x: Value) -> pl.Expr:
    return (x.expr.bin.size() if x.type == Bytes else x.expr.str.len_bytes()).cast(pl.Int32)


@operation("bit_length", group=GROUP, params=(TEXT,), returns=Int32)
def bit_length(x: Value) -> pl.Expr:
    return octet_length(x) * 8


_STRIP = {"both": "strip_chars", "leading": "strip_chars_start", "trailing": "strip_chars_end"}


def _trim(side: str, x: Value, characters: Value | None = None) -> pl.Expr:
    strip = _STRIP[side]
    if characters is None:
        return getattr(x.expr.str, strip)(" ")  # type: ignore[no-any-return]
    text = full(x, characters)
    stripped = getattr(text.str, strip)(characters.expr)
    return pl.when(characters.expr == "").then(text).when(characters.expr != "").then(stripped)


for _side in _STRIP:
    operation(
        f"trim {_side}", group=GROUP, params=(String, String), optional=1, returns=String, operator=True
    )(functools.partial(_trim, _side))


def _trim_call(side: str, x: Value, y: Value | None = None) -> pl.Expr:
    """The plain form, where the characters come first: ``ltrim('x', text)``; but ``btrim(text, 'x')``."""
    return _trim(side, x) if y is None else _trim(side, y, x)


for _name, _side in (("trim", "both"), ("ltrim", "leading"), ("rtrim", "trailing")):
    operation(_name, group=GROUP, params=(String, String), optional=1, returns=String)(
        functools.partial(_trim_call, _side)
    )
operation("btrim", group=GROUP, params=(String, String), optional=1, returns=String)(
    functools.partial(_trim, "both")
)


@operation(
    "substring",
    "substr",
    group=GROUP,
    params=(TEXT, Int32, Int32),
    optional=1,
    returns=lambda a: a[0].type,
    result="as its argument",
)
def substring(x: Value, position: Value, count: Value | None = None) -> pl.Expr:
    """From `position` (1 is the first, -1 the last, 0 as 1), `count` characters."""
    size = (x.expr.bin.size() if x.type == Bytes else x.expr.str.len_chars()).cast(pl.Int64)
    at = position.expr.cast(pl.Int64)
    start = pl.when(at > 0).then(at - 1).when(at < 0).then(size + at).otherwise(0)
    start = pl.when(at.is_not_null()).then(start)
    length = int64(MAX_INT) if count is None else count.expr.cast(pl.Int64)
    end = (start + length).clip(-MAX_INT - 1, MAX_INT)
    begin = pl.max_horizontal(start, 0)
    wanted = pl.when(end.is_not_null()).then(pl.max_horizontal(end - begin, 0))
    others = (position,) if count is None else (position, count)
    return _slice(x, full(x, *others), pl.when(start.is_not_null()).then(begin), wanted)


def _slice(x: Value, text: pl.Expr, begin: pl.Expr, wanted: pl.Expr) -> pl.Expr:
    known = begin.is_not_null() & wanted.is_not_null()
    cut = text.bin.slice if x.type == Bytes else text.str.slice
    return pl.when(known).then(cut(begin.fill_null(0), wanted.fill_null(0)))


@operation("left", group=GROUP, params=(TEXT, Int32), returns=lambda a: a[0].type, result="as its argument")
def left(x: Value, count: Value) -> pl.Expr:
    wanted = pl.max_horizontal(count.expr.cast(pl.Int64), 0)
    return _slice(
        x, full(x, count), pl.when(count.expr.is_not_null()).then(pl.lit(0, dtype=pl.Int64)), wanted
    )


@operation("right", group=GROUP, params=(String, Int32), returns=String)
def right(x: Value, count: Value) -> pl.Expr:
    size = x.expr.str.len_chars().cast(pl.Int64)
    wanted = pl.when(count.expr.is_not_null()).then(count.expr.cast(pl.Int64).clip(0, None))
    return _slice(x, full(x, count), pl.max_horizontal(size - wanted, 0), wanted)


@operation(
    "concat", group=GROUP, params=(Kind.ANY,), arity=(0, None), raw=True, result="string, binary or array"
)
def concat(binder: Binder, *values: Value) -> Value:
    if any(isinstance(v.type, List) for v in values):
        t, found = binder.to_common(values, "the arrays of `concat`")
        if not isinstance(t, List):
            raise binder.mismatch("`concat` takes strings, or arrays, not both")
        missing = pl.any_horizontal([v.expr.is_null() for v in found])
        joined = pl.concat_list([v.expr for v in found])
        return combined(t, pl.when(~missing).then(joined), found)
    if values and all(v.type == Bytes for v in values):
        parts = [v.expr.bin.encode("hex") for v in values]
        return combined(Bytes, pl.concat_str(parts).str.decode("hex"), values)
    for v in values:
        if not can_cast(v.type, String) or (common([v.type, String]) is None and v.type not in (Bytes, Bool)):
            raise binder.mismatch(f"`concat` takes strings, got {v.type.spark}")
    texts = [binder.cast(v, String) for v in values]
    return combined(String, pl.concat_str([t.expr for t in texts]) if texts else pl.lit(""), texts)


@operation("||", group="operators", params=(Kind.ANY, Kind.ANY), raw=True, operator=True)
def joined(binder: Binder, a: Value, b: Value) -> Value:
    return concat(binder, a, b)


@operation(
    "concat_ws",
    group=GROUP,
    params=(String, (String, List(String))),
    arity=(1, None),
    raw=True,
    result="string",
    notes="skips nulls; takes arrays of strings too",
)
def concat_ws(binder: Binder, separator: Value, *values: Value) -> Value:
    separator = _text(binder, "concat_ws", separator)
    parts: list[Value] = []
    for v in values:
        if isinstance(v.type, List):
            items = binder.cast(v, List(String))
            missing = pl.lit(pl.Series([[]], dtype=pl.List(pl.String))).first()
            parts.append(combined(List(String), pl.coalesce(items.expr.list.drop_nulls(), missing), (items,)))
        else:
            parts.append(_text(binder, "concat_ws", v))
    if not any(isinstance(p.type, List) for p in parts):
        if not parts:
            return combined(String, pl.when(separator.expr.is_not_null()).then(pl.lit("")), (separator,))
        if separator.constant is not None and separator.known is not None:
            text = pl.concat_str([p.expr for p in parts], separator=separator.known, ignore_nulls=True)
            return combined(String, text, (separator, *parts))
    lists = [p.expr if isinstance(p.type, List) else pl.concat_list(p.expr).list.drop_nulls() for p in parts]
    text = pl.concat_list(lists).list.join(separator.expr)
    return combined(String, text, (separator, *parts))


def _text(binder: Binder, name: str, v: Value) -> Value:
    if v.type not in (String, Null) and (
        not can_cast(v.type, String) or isinstance(v.type, (List, Map, Struct))
    ):
        raise binder.mismatch(f"`{name}` takes strings, got {v.type.spark}")
    return binder.cast(v, String)


@operation("replace", group=GROUP, params=(String, String, String), optional=1, returns=String)
def replace(x: Value, search: Value, by: Value | None = None) -> pl.Expr:
    if search.constant is not None and search.known == "":
        return full(x) if by is None else pl.when(by.expr.is_not_null()).then(x.expr)
    new = pl.lit("") if by is None else by.expr
    if search.known is not None and (by is None or by.known is not None):
        return x.expr.str.replace_all(search.expr, new, literal=True)
    return per_value(lambda s, a, b: s.replace(a, b) if a else s, x.expr, search.expr, new, returns=String)


@operation("startswith", group=GROUP, params=(TEXT, TEXT), returns=Bool)
def starts_with(x: Value, part: Value) -> pl.Expr:
    text = full(x, part)
    return (text.bin if x.type == Bytes else text.str).starts_with(part.expr)


@operation("endswith", group=GROUP, params=(TEXT, TEXT), returns=Bool)
def ends_with(x: Value, part: Value) -> pl.Expr:
    text = full(x, part)
    return (text.bin if x.type == Bytes else text.str).ends_with(part.expr)


@operation("contains", group=GROUP, params=(TEXT, TEXT), returns=Bool)
def contains(x: Value, part: Value) -> pl.Expr:
    text = full(x, part)
    return text.bin.contains(part.expr) if x.type == Bytes else text.str.contains(part.expr, literal=True)


@operation("instr", group=GROUP, params=(String, String), returns=Int32, notes="0 where absent")
def instr(x: Value, part: Value) -> pl.Expr:
    return found_at(x, part)


def found_at(x: Value, part: Value) -> pl.Expr:
    """1-based position, in characters, of the first `part` in `x`; 0 where there is none."""
    text = full(x, part)
    at = text.str.find(part.expr, literal=True)
    before = text.str.slice(0, None) if part.constant is None else text
    characters = before.cast(pl.Binary).bin.slice(0, at.fill_null(0)).cast(pl.String).str.len_chars()
    position = pl.when(at.is_null()).then(0).otherwise(characters + 1)
    return pl.when(text.is_not_null() & part.expr.is_not_null()).then(position.cast(pl.Int32))


@operation(
    "locate",
    "position",
    "charindex",
    group=GROUP,
    params=(String, String, Int32),
    optional=1,
    returns=Int32,
    notes="0 where absent",
)
def locate(part: Value, x: Value, start: Value | None = None) -> pl.Expr:
    if start is None:
        return found_at(x, part)

    def find(s: str | None, p: str | None, at: int | None) -> int | None:
        if at is None:
            return 0
        if s is None or p is None:
            return None
        if at < 1:
            return 0
        return s.find(p, at - 1) + 1 if p else 1

    return per_value(find, x.expr, part.expr, start.expr, returns=Int32, nulls=True)


def _pad(side: str, x: Value, width: Value, fill: Value | None = None) -> pl.Expr:
    def pad(s: str, n: int, f: str) -> str:
        if n <= len(s) or not f:
            return s[: max(n, 0)]
        filling = (f * ((n - len(s)) // len(f) + 1))[: n - len(s)]
        return filling + s if side == "lpad" else s + filling

    if width.constant is not None and width.known is not None and (fill is None or fill.constant is not None):
        f, n = " " if fill is None else fill.known, max(width.known, 0)
        if f is not None and len(f) == 1:
            method = x.expr.str.pad_start if side == "lpad" else x.expr.str.pad_end
            return method(n, f).str.slice(0, n)
    filler = pl.lit(" ") if fill is None else fill.expr
    return per_value(pad, x.expr, width.expr, filler, returns=String)


for _name in ("lpad", "rpad"):
    operation(_name, group=GROUP, params=(String, Int32, String), optional=1, returns=String)(
        functools.partial(_pad, _name)
    )


@operation("repeat", group=GROUP, params=(String, Int32), returns=String)
def repeat(x: Value, times: Value) -> pl.Expr:
    if times.constant is not None and times.known is not None and times.known <= 64:
        return (
            pl.concat_str([x.expr] * times.known)
            if times.known > 0
            else pl.when(x.expr.is_not_null()).then(pl.lit(""))
        )
    return per_value(lambda s, n: s * max(n, 0), x.expr, times.expr, returns=String)


@operation(
    "reverse",
    group=GROUP,
    params=((String, Kind.ARRAY),),
    returns=lambda a: a[0].type,
    result="as its argument",
)
def reverse(x: Value) -> pl.Expr:
    if isinstance(x.type, List):
        return x.expr.list.reverse()
    return per_value(lambda s: s[::-1], x.expr, returns=String)


@operation("space", group=GROUP, params=(Int32,), returns=String)
def space(count: Value) -> pl.Expr:
    return per_value(lambda n: " " * max(n, 0), count.expr, returns=String)
