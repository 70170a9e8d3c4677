"""Patterns: like, rlike, regexp_* and split. A constant pattern is checked when the expression is declared."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.expressions.coercion import Parameter, implicit
from headrace.expressions.columns import per_value
from headrace.expressions.functions.strings import full
from headrace.expressions.java_regex import BadPatternError, Pattern, compiled, expanded
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined, literal
from headrace.types import Bool, Int32, List, String

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "regex"
pattern_of = lru_cache(maxsize=512)(compiled)


def _texts(
    binder: Binder, name: str, values: tuple[Value, ...], params: tuple[Parameter, ...]
) -> list[Value]:
    out = []
    for i, (v, p) in enumerate(zip(values, params, strict=False)):
        t = implicit(v.type, p)
        if t is None:
            raise binder.mismatch(f"`{name}` takes another type than {v.type.spark} as argument {i + 1}")
        out.append(binder.cast(v, t))
    return out


def _constant(binder: Binder, v: Value) -> Pattern | None:
    """The compiled pattern where it is a known constant. A bad one is refused."""
    if v.constant is None or v.known is None:
        return None
    try:
        return pattern_of(v.known)
    except BadPatternError as error:
        raise binder.mismatch(f"`{v.known}` is no regular expression: {error}") from None


def _quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """A pattern that comes from the data and is none gives null."""

    def run(*args: Any) -> Any:
        try:
            return function(*args)
        except BadPatternError:
            return None

    return run


@operation("rlike", "regexp", "regexp_like", group=GROUP, params=(String, String), raw=True, result="boolean")
def rlike(binder: Binder, x: Value, pattern: Value) -> Value:
    x, pattern = _texts(binder, "rlike", (x, pattern), (String, String))
    known = _constant(binder, pattern)
    if known is not None and known.rust_test is not None:
        return combined(Bool, x.expr.str.contains(known.rust_test), (x, pattern))
    test = _quietly(lambda s, p: pattern_of(p).python.search(s) is not None)
    return combined(Bool, per_value(test, x.expr, pattern.expr, returns=Bool), (x, pattern))


@operation(
    "regexp_extract",
    group=GROUP,
    params=(String, String, Int32),
    optional=1,
    raw=True,
    result="string",
    notes="'' without a match",
)
def regexp_extract(binder: Binder, x: Value, pattern: Value, index: Value | None = None) -> Value:
    x, pattern, index = _group_arguments(binder, "regexp_extract", x, pattern, index)
    known = _constant(binder, pattern)
    inputs = (x, pattern, index)
    if known is not None and index.known is not None:
        _check_group(binder, known, index.known)
        usable = known.rust if index.known == 0 else known.rust_test
        if usable is not None:
            found = x.expr.str.extract(usable, index.known).fill_null("")
            return combined(String, pl.when(x.expr.is_not_null()).then(found), inputs)

    def extract(s: str, p: str, i: int) -> str | None:
        found = pattern_of(p).python.search(s)
        return "" if found is None else found.group(i) or ""

    return combined(String, per_value(_quietly(extract), *(v.expr for v in inputs), returns=String), inputs)


@operation(
    "regexp_extract_all",
    group=GROUP,
    params=(String, String, Int32),
    optional=1,
    raw=True,
    result="array<string>",
)
def regexp_extract_all(binder: Binder, x: Value, pattern: Value, index: Value | None = None) -> Value:
    x, pattern, index = _group_arguments(binder, "regexp_extract_all", x, pattern, index)
    known = _constant(binder, pattern)
    if known is not None and index.known is not None:
        _check_group(binder, known, index.known)
        if known.rust is not None and index.known == 0:
            return combined(List(String), x.expr.str.extract_all(known.rust), (x, pattern, index))

    def extract(s: str, p: str, i: int) -> list[str]:
        return [m.group(i) or "" for m in pattern_of(p).python.finditer(s)]

    inputs = (x, pattern, index)
    expr = per_value(_quietly(extract), *(v.expr for v in inputs), returns=List(String))
    return combined(List(String), expr, inputs)


def _group_arguments(
    binder: Binder, name: str, x: Value, pattern: Value, index: Value | None
) -> tuple[Value, Value, Value]:
    found = _texts(binder, name, (x, pattern, index or literal(1, Int32)), (String, String, Int32))
    return found[0], found[1], found[2]


def _check_group(binder: Binder, pattern: Pattern, index: int) -> None:
    if not 0 <= index <= pattern.groups:
        raise binder.mismatch(f"the pattern `{pattern.source}` has {pattern.groups} groups, not {index}")


@operation(
    "regexp_replace",
    group=GROUP,
    params=(String, String, String, Int32),
    optional=1,
    raw=True,
    result="string",
)
def regexp_replace(binder: Binder, x: Value, pattern: Value, by: Value, start: Value | None = None) -> Value:
    x, pattern, by = _texts(binder, "regexp_replace", (x, pattern, by), (String, String, String))
    known = _constant(binder, pattern)
    if known is not None and by.constant is not None and by.known is not None and start is None:
        try:
            parts = expanded(by.known, known.groups)
        except BadPatternError as error:
            raise binder.mismatch(f"`{by.known}` is no replacement: {error}") from None
        if known.rust is not None:
            text = "".join(f"${{{p}}}" if isinstance(p, int) else p.replace("$", "$$") for p in parts)
            return combined(String, x.expr.str.replace_all(known.rust, text), (x, pattern, by))
    at = binder.cast(start, Int32) if start is not None else None
    inputs = (x, pattern, by) if at is None else (x, pattern, by, at)
    expr = per_value(_quietly(_replaced), *(v.expr for v in inputs), returns=String)
    return combined(String, expr, inputs)


def _replaced(s: str, p: str, by: str, start: int = 1) -> str | None:
    pattern = pattern_of(p)
    parts = expanded(by, pattern.groups)

    def fill(m: re.Match[str]) -> str:
        return "".join((m.group(x) or "") if isinstance(x, int) else x for x in parts)

    if start <= 0:
        return None
    at = _code_points(s, start - 1)
    if at > len(s):
        return s
    return s[:at] + pattern.python.sub(fill, s[at:])


def _code_points(s: str, units: int) -> int:
    """Java's offset, in UTF-16 units, as one in characters."""
    return units if s.isascii() else len(s.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "replace"))


def _units(s: str, characters: int) -> int:
    """An offset in characters as Java's, in UTF-16 units."""
    return characters if s.isascii() else len(s[:characters].encode("utf-16-le", "surrogatepass")) // 2


@operation("regexp_count", group=GROUP, params=(String, String), raw=True, result="int")
def regexp_count(binder: Binder, x: Value, pattern: Value) -> Value:
    x, pattern = _texts(binder, "regexp_count", (x, pattern), (String, String))
    known = _constant(binder, pattern)
    if known is not None and known.rust is not None:
        return combined(Int32, x.expr.str.count_matches(known.rust).cast(pl.Int32), (x, pattern))
    count = _quietly(lambda s, p: sum(1 for _ in pattern_of(p).python.finditer(s)))
    return combined(Int32, per_value(count, x.expr, pattern.expr, returns=Int32), (x, pattern))


@operation(
    "regexp_substr",
    group=GROUP,
    params=(String, String),
    raw=True,
    result="string",
    notes="null without a match",
)
def regexp_substr(binder: Binder, x: Value, pattern: Value) -> Value:
    x, pattern = _texts(binder, "regexp_substr", (x, pattern), (String, String))
    known = _constant(binder, pattern)
    if known is not None and known.rust is not None:
        found = x.expr.str.extract(known.rust, 0)
        return combined(String, pl.when(found != "").then(found), (x, pattern))
    find = _quietly(lambda s, p: (m.group() or None) if (m := pattern_of(p).python.search(s)) else None)
    return combined(String, per_value(find, x.expr, pattern.expr, returns=String), (x, pattern))


@operation("regexp_instr", group=GROUP, params=(String, String), raw=True, result="int")
def regexp_instr(binder: Binder, x: Value, pattern: Value) -> Value:
    x, pattern = _texts(binder, "regexp_instr", (x, pattern), (String, String))
    _constant(binder, pattern)
    find = _quietly(lambda s, p: _units(s, m.start()) + 1 if (m := pattern_of(p).python.search(s)) else 0)
    return combined(Int32, per_value(find, x.expr, pattern.expr, returns=Int32), (x, pattern))


@operation("split", group=GROUP, params=(String, String, Int32), optional=1, raw=True, result="array<string>")
def split(binder: Binder, x: Value, pattern: Value, limit: Value | None = None) -> Value:
    x, pattern, limit = _texts(
        binder, "split", (x, pattern, limit or literal(-1, Int32)), (String, String, Int32)
    )
    known = _constant(binder, pattern)
    inputs = (x, pattern, limit)
    if known is not None and limit.known is not None and limit.known <= 0 and _is_plain(known.source):
        plain = known.source.replace("\\", "")
        return combined(List(String), x.expr.str.split(plain), inputs)
    expr = per_value(_quietly(_split), *(v.expr for v in inputs), returns=List(String))
    return combined(List(String), expr, inputs)


def _is_plain(source: str) -> bool:
    return bool(re.fullmatch(r"([^\\\[\](){}.*+?^$|]|\\[^A-Za-z0-9])+", source))


def _split(s: str, p: str, limit: int) -> list[str]:
    """Java's split with this limit, where 0 and below mean all of it with empty strings at the end."""
    if p == "" and s != "":
        return list(s)[: limit if limit > 0 else None]
    out: list[str] = []
    at = 0
    for m in pattern_of(p).python.finditer(s):
        if 0 < limit == len(out) + 1:
            break
        if m.end() == 0 or (m.start() == m.end() == len(s)):
            continue
        out.append(s[at : m.start()])
        at = m.end()
    return [*out, s[at:]]


@operation("like", group=GROUP, params=(String, String, String), optional=1, raw=True, result="boolean")
def like(binder: Binder, x: Value, pattern: Value, escape: Value | None = None) -> Value:
    x, pattern = _texts(binder, "like", (x, pattern), (String, String))
    mark = "\\" if escape is None else str(escape.known)
    if len(mark) != 1:
        raise binder.mismatch("the escape of `like` must be one character, known when it is declared")
    if pattern.constant is not None and pattern.known is not None:
        try:
            parts = like_parts(pattern.known, mark)
        except BadPatternError as error:
            raise binder.mismatch(f"`{pattern.known}` is no pattern of `like`: {error}") from None
        return combined(Bool, _like_expr(x, parts), (x, pattern))
    test = _quietly(lambda s, p: _like_regex(p, mark).fullmatch(s) is not None)
    return combined(Bool, per_value(test, full(x, pattern), pattern.expr, returns=Bool), (x, pattern))


@operation("ilike", group=GROUP, params=(String, String, String), optional=1, raw=True, result="boolean")
def ilike(binder: Binder, x: Value, pattern: Value, escape: Value | None = None) -> Value:
    x, pattern = _texts(binder, "ilike", (x, pattern), (String, String))
    lowered = [combined(String, v.expr.str.to_lowercase(), (v,)) for v in (x, pattern)]
    return like(binder, *lowered, *(() if escape is None else (escape,)))


def like_parts(pattern: str, escape: str) -> list[str]:
    """The pattern as its pieces: ``%`` and ``_`` alone are wild, any other piece is literal text, marked by a
    leading ``=``."""
    parts: list[str] = []
    i = 0
    while i < len(pattern):
        c = pattern[i]
        if c == escape:
            i += 1
            if i == len(pattern):
                raise BadPatternError("it ends with the escape character")
            if pattern[i] not in ("%", "_", escape):
                raise BadPatternError("the escape character stands before `%`, `_` or itself only")
            parts.append("=" + pattern[i])
        else:
            parts.append(c if c in "%_" else "=" + c)
        i += 1
    return parts


def _like_expr(x: Value, parts: list[str]) -> pl.Expr:
    wild = [p for p in parts if not p.startswith("=")]
    text = "".join(p[1:] for p in parts if p.startswith("="))
    if not wild:
        return x.expr == text
    if wild == ["%"] and parts[-1] == "%":
        return x.expr.str.starts_with(text)
    if wild == ["%"] and parts[0] == "%":
        return x.expr.str.ends_with(text)
    if wild == ["%", "%"] and parts[0] == parts[-1] == "%":
        return x.expr.str.contains(text, literal=True)
    return x.expr.str.contains(_like_source(parts, r"\z"))


def _like_source(parts: list[str], end: str) -> str:
    body = "".join(".*" if p == "%" else "." if p == "_" else re.escape(p[1:]) for p in parts)
    return rf"(?s)\A{body}{end}"


@lru_cache(maxsize=512)
def _like_regex(pattern: str, escape: str) -> re.Pattern[str]:
    return re.compile(_like_source(like_parts(pattern, escape), r"\Z"))
