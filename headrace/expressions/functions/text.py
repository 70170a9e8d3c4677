"""Strings: cases, codes, distances, printing and other single-purpose functions."""

from __future__ import annotations

import base64
import codecs
import functools
from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.expressions.coercion import Kind
from headrace.expressions.columns import per_value
from headrace.expressions.functions.strings import full
from headrace.expressions.java_format import format_decimal, format_string, pattern_format
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import Bytes, Int32, Int64, List, Map, String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "string"


@operation("initcap", group=GROUP, params=(String,), returns=String, notes="words are parted by spaces")
def initcap(x: Value) -> pl.Expr:
    word = pl.element()
    first = word.str.slice(0, 1)
    upper = first.str.to_uppercase()
    capital = pl.when(upper.str.len_chars() == 1).then(upper).otherwise(first)
    return x.expr.str.to_lowercase().str.split(" ").list.eval(capital + word.str.slice(1)).list.join(" ")


@operation("substring_index", group=GROUP, params=(String, String, Int32), returns=String)
def substring_index(x: Value, delimiter: Value, count: Value) -> pl.Expr:
    simple = delimiter.constant is not None and delimiter.known and count.constant is not None
    if simple and count.known is not None and (count.known >= 0 or len(delimiter.known) == 1):
        parts = x.expr.str.split(delimiter.known)
        kept = parts.list.head(count.known) if count.known >= 0 else parts.list.tail(-count.known)
        return kept.list.join(delimiter.known)
    return per_value(_substring_index, x.expr, delimiter.expr, count.expr, returns=String)


def _substring_index(s: str, d: str, n: int) -> str:
    if not d or n == 0:
        return ""
    if n > 0:
        return d.join(s.split(d)[:n])
    at = len(s)
    for _ in range(-n):
        at = s.rfind(d, 0, at + len(d) - 1)
        if at < 0:
            return s
    return s[at + len(d) :]


@operation("translate", group=GROUP, params=(String, String, String), returns=String)
def translate(x: Value, old: Value, new: Value) -> pl.Expr:
    if old.known is not None and new.known is not None:
        pairs: dict[str, str] = {}
        for i, c in enumerate(old.known):
            pairs.setdefault(c, new.known[i] if i < len(new.known) else "")
        if not pairs:
            return x.expr
        return x.expr.str.replace_many(list(pairs), list(pairs.values()))

    def run(s: str, a: str, b: str) -> str:
        table: dict[int, str] = {}
        for i, c in enumerate(a):
            table.setdefault(ord(c), b[i] if i < len(b) else "")
        return s.translate(table)

    return per_value(run, x.expr, old.expr, new.expr, returns=String)


@operation("ascii", group=GROUP, params=(String,), returns=Int32, by_value=True)
def ascii_code(x: Value) -> pl.Expr:
    return per_value(lambda s: ord(s[0]) if s else 0, x.expr, returns=Int32)


@operation("chr", "char", group=GROUP, params=(Int64,), returns=String)
def character(x: Value) -> pl.Expr:
    return per_value(lambda n: "" if n < 0 else chr(n & 0xFF), x.expr, returns=String)


@operation(
    "levenshtein", group=GROUP, params=(String, String, Int32), optional=1, returns=Int32, by_value=True
)
def levenshtein(x: Value, y: Value, limit: Value | None = None) -> pl.Expr:
    if limit is None:
        return per_value(_distance, x.expr, y.expr, returns=Int32)

    def bounded(a: str, b: str, most: int) -> int:
        d = _distance(a, b)
        return d if d <= most else -1

    return per_value(bounded, x.expr, y.expr, limit.expr, returns=Int32)


def _distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, c in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, d in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (c != d))
    return row[-1]


_SOUNDEX = "01230127022455012623010202"


@operation("soundex", group=GROUP, params=(String,), returns=String, by_value=True)
def soundex(x: Value) -> pl.Expr:
    return per_value(_soundex, x.expr, returns=String)


def _soundex(text: str) -> str:
    """UTF8String.soundex: '7' marks H and W, which do not part equal codes; a text that begins with no ASCII
    letter is given back."""
    if not text:
        return text
    first = text.encode()[0]
    upper = first - 32 if 97 <= first <= 122 else first
    if not 65 <= upper <= 90:
        return text
    out, last = [chr(upper)], _code(upper)
    for byte in text.encode()[1:]:
        b = byte - 32 if 97 <= byte <= 122 else byte
        if not 65 <= b <= 90:
            last = "0"
            continue
        code = _code(b)
        if code == "7":
            continue
        if code not in ("0", last):
            out.append(code)
            if len(out) == 4:
                break
        last = code
    return "".join(out).ljust(4, "0")


def _code(letter: int) -> str:
    return "7" if chr(letter) in "HW" else _SOUNDEX[letter - 65]


@operation("find_in_set", group=GROUP, params=(String, String), returns=Int32)
def find_in_set(x: Value, words: Value) -> pl.Expr:
    def find(s: str, w: str) -> int:
        return 0 if "," in s else next((i for i, p in enumerate(w.split(","), 1) if p == s), 0)

    return per_value(find, x.expr, words.expr, returns=Int32)


@operation("split_part", group=GROUP, params=(String, String, Int32), returns=String, by_value=True)
def split_part(x: Value, delimiter: Value, part: Value) -> pl.Expr:
    def pick(s: str, d: str, n: int) -> str | None:
        if n == 0:
            return None
        parts = s.split(d) if d else [s]
        i = n - 1 if n > 0 else len(parts) + n
        return parts[i] if 0 <= i < len(parts) else ""

    return per_value(pick, x.expr, delimiter.expr, part.expr, returns=String)


@operation("overlay", group=GROUP, params=(String, String, Int32, Int32), optional=1, returns=String)
def overlay(x: Value, by: Value, position: Value, count: Value | None = None) -> pl.Expr:
    def run(s: str, r: str, at: int, n: int = -1) -> str:
        size = n if n >= 0 else len(r)
        return _cut(s, 1, at - 1) + r + _cut(s, at + size, 2**31 - 1)

    more = [] if count is None else [count.expr]
    return per_value(run, full(x, by), by.expr, position.expr, *more, returns=String)


def _cut(s: str, position: int, count: int) -> str:
    """UTF8String.substringSQL."""
    start = position - 1 if position > 0 else len(s) + position if position < 0 else 0
    return s[max(start, 0) : max(start + count, 0)]


@operation("base64", group=GROUP, params=(Bytes,), returns=String)
def to_base64(x: Value) -> pl.Expr:
    """MIME lines of 76 characters, as Java's MIME encoder writes them."""

    def encode(b: bytes) -> str:
        text = base64.b64encode(b).decode()
        return "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76))

    return per_value(encode, x.expr, returns=String)


@operation("unbase64", group=GROUP, params=(String,), returns=Bytes, by_value=True)
def from_base64(x: Value) -> pl.Expr:
    def decode(s: str) -> bytes | None:
        text = "".join(c for c in s if c.isascii() and (c.isalnum() or c in "+/"))
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None

    return per_value(decode, x.expr, returns=Bytes)


@operation("decode", group=GROUP, params=(Bytes, String), returns=String, by_value=True)
def decode(x: Value, charset: Value) -> pl.Expr:
    run = lambda b, c: b.decode(c, "replace") if _is_charset(c) else None  # noqa: E731
    return per_value(run, x.expr, charset.expr, returns=String)


def _is_charset(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


@operation("encode", group=GROUP, params=(String, String), returns=Bytes, by_value=True)
def encode(x: Value, charset: Value) -> pl.Expr:
    def run(s: str, c: str) -> bytes | None:
        if not _is_charset(c):
            return None
        name = {"UTF-16": "utf-16-be"}.get(c.upper(), c)
        mark = b"\xfe\xff" if c.upper() == "UTF-16" and s else b""
        return mark + s.encode(name, "replace")

    return per_value(run, x.expr, charset.expr, returns=Bytes)


@operation(
    "format_string",
    "printf",
    group=GROUP,
    params=(String, Kind.ANY),
    arity=(1, None),
    raw=True,
    result="string",
    by_value=True,
)
def print_formatted(binder: Binder, pattern: Value, *args: Value) -> Value:
    for a in args:
        if isinstance(a.type, (List, Map, Struct)):
            raise binder.mismatch(f"`format_string` cannot print {a.type.spark}")
    pattern = binder.cast(pattern, String)
    types = [a.type for a in args]

    def run(text: str | None, *values: Any) -> str | None:
        return None if text is None else format_string(text, values, types)

    if pattern.known is not None:
        try:
            format_string(pattern.known, [None] * len(args), types)
        except ValueError as error:
            raise binder.mismatch(f"`{pattern.known}` cannot print these: {error}") from None
    expr = per_value(_tolerant(run), pattern.expr, *(a.expr for a in args), returns=String, nulls=True)
    return combined(String, expr, (pattern, *args))


def _tolerant(run: Any) -> Any:
    @functools.wraps(run)
    def safe(*args: Any) -> Any:
        try:
            return run(*args)
        except ValueError:
            return None

    return safe


@operation(
    "format_number", group=GROUP, params=(Kind.NUMERIC, (Int32, String)), returns=String, by_value=True
)
def format_number(x: Value, form: Value) -> pl.Expr:
    def run(value: Any, f: Any) -> str | None:
        if isinstance(f, int):
            return None if f < 0 else format_decimal(value, f)
        return pattern_format(value, f)

    return per_value(run, x.expr, form.expr, returns=String)
