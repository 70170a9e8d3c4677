"""From Java's regular expressions to Rust's, and to Python's where Rust has no such thing.

Owns what differs: ``\\d \\w \\s`` are ASCII in Java (and ``\\b``, of Java 17, is not), ``.`` and ``$``
know more line ends, POSIX classes and quoting are written otherwise. Look-around, back references and possessive
quantifiers do not exist in Rust's engine; such a pattern runs in Python, a value at a time.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1F\x7F",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0B\x0C\r",
}
_CLASSES = {"d": "0-9", "w": "a-zA-Z0-9_", "s": r" \t\n\x0B\x0C\r", "h": r" \t\xA0", "v": r"\n\x0B\x0C\r"}
_DOT = r"[^\n\r\x{85}\x{2028}\x{2029}]"
_DOT_PYTHON = r"[^\n\r\x85\u2028\u2029]"

_END = r"(?:\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z"


@dataclass(frozen=True)
class Pattern:
    """A Java pattern: `python` compiled; `rust` where Polars can run it and finds the same spans, else None;
    `rust_test` where Polars finds whether it matches and the same groups (it may take a last line end in)."""

    source: str
    rust: str | None
    rust_test: str | None
    python: re.Pattern[str]

    @property
    def groups(self) -> int:
        return self.python.groups


class BadPatternError(ValueError):
    """The text is no regular expression."""


def compiled(source: str) -> Pattern:
    """Raises BadPatternError, with the reason, for what neither engine takes."""
    try:
        python = re.compile(_translated(source, for_rust=False))
    except (re.error, IndexError) as error:
        raise BadPatternError(str(error)) from None
    rust: str | None = _translated(source, for_rust=True)
    try:
        pl.select(pl.lit("").str.contains(rust or ""))
    except pl.exceptions.PolarsError:
        rust = None
    return Pattern(source, None if rust is None or _END in rust else rust, rust, python)


def _translated(p: str, *, for_rust: bool) -> str:
    out: list[str] = []
    i, in_class = 0, 0
    dot_all = "(?s" in p or bool(re.search(r"\(\?[a-z]*s", p))
    while i < len(p):
        c = p[i]
        if c == "\\":
            i += 1
            text, i = _escape(p, i, in_class > 0, for_rust)
            out.append(text)
            continue
        if in_class:
            if c == "[":
                in_class += 1
                if not for_rust:  # a union; Python has no class inside a class
                    if p[i + 1 : i + 2] == "^":
                        raise re.error("a negated class inside a class is not supported")
                    i += 1
                    continue
            elif c == "]":
                in_class -= 1
                if in_class and not for_rust:
                    i += 1
                    continue
            elif c == "&" and p[i : i + 2] == "&&" and not for_rust:
                raise re.error("`&&` in a character class is not supported")
            out.append("\\" + c if c == ":" or (c in "~-&" and p[i : i + 2] in ("~~", "--")) else c)
            i += 1
            continue
        if c == "[":
            in_class = 1
            out.append("[")
            i += 1
            if p[i : i + 1] == "^":
                out.append("^")
                i += 1
            continue
        if c == "." and not dot_all:
            out.append(_DOT if for_rust else _DOT_PYTHON)
        elif c == "$" and "(?m" not in p:
            out.append(_end(for_rust))
        elif c == "(" and p[i : i + 3] == "(?<" and p[i + 3 : i + 4] not in ("=", "!"):
            out.append("(?P<")
            i += 3
            continue
        else:
            out.append(c)
        i += 1
    return "".join(out)


def _end(for_rust: bool) -> str:
    # Java's $ also stands before a line end that ends the text; Rust has no look-ahead and takes it in.
    return _END if for_rust else r"(?:(?=(?:\r\n|[\r\x85\u2028\u2029])?\Z)|(?<!\r)(?=\n\Z))"


def _escape(p: str, i: int, in_class: bool, for_rust: bool) -> tuple[str, int]:
    """What stands behind a backslash at ``p[i]``, translated, and where to go on."""
    c = p[i]
    if c == "Q":
        end = p.find("\\E", i)
        body = p[i + 1 : end if end >= 0 else len(p)]
        return re.escape(body), (end + 2 if end >= 0 else len(p))
    if c in _CLASSES:
        return (_CLASSES[c] if in_class else f"[{_CLASSES[c]}]"), i + 1
    if c.lower() in _CLASSES and c in "DWSHV":
        if in_class and not for_rust:
            return "\\" + c, i + 1
        return f"[^{_CLASSES[c.lower()]}]", i + 1
    if c in "pP":
        m = re.compile(r"\{(\w+)\}").match(p, i + 1)
        name = m.group(1) if m else p[i + 1]
        after = m.end() if m else i + 2
        if name in _POSIX:
            body = _POSIX[name]
            if c == "P":
                return f"[^{body}]", after
            return (body if in_class else f"[{body}]"), after
        if not for_rust:
            return _category(name, negated=c == "P", in_class=in_class), after
        return f"\\{c}{{{name.removeprefix('Is')}}}", after
    if c == "z":
        return (r"\z" if for_rust else r"\Z"), i + 1
    if c == "Z":
        return _end(for_rust), i + 1
    if c == "R":
        return r"(?:\r\n|[\n\x0B\x0C\r])", i + 1
    if c == "e":
        return r"\x1B", i + 1
    if c == "0":
        m = re.compile(r"[0-3]?[0-7]{1,2}").match(p, i + 1)
        if m:
            return f"\\x{int(m.group(), 8):02x}", m.end()
    if c == "u":
        code = int(p[i + 1 : i + 5], 16)
        return (f"\\x{{{code:x}}}" if for_rust else f"\\u{code:04x}"), i + 5
    if not c.isalnum() and c != "_":
        return re.escape(c), i + 1
    return "\\" + c, i + 1


def _category(name: str, *, negated: bool, in_class: bool) -> str:
    """``\\p{L}`` and its like as Python has to spell them out."""
    body = _spelled(name.removeprefix("Is"), negated)
    return body if in_class else f"[{body}]"


@lru_cache(maxsize=64)
def _spelled(category: str, negated: bool) -> str:
    """The characters of a general category (``Lu``), or of a group of them (``L``), as ranges of a class."""
    if not re.fullmatch("[CLMNPSZ][a-z]?", category):
        raise re.error(
            f"\\p{{{category}}} is not supported; a general category is, such as \\p{{L}} or \\p{{Nd}}"
        )
    inside = [unicodedata.category(chr(i)).startswith(category) != negated for i in range(sys.maxunicode + 1)]
    edges = [i for i in range(len(inside)) if inside[i] != (i > 0 and inside[i - 1])]
    ends = [*edges, sys.maxunicode + 1]
    ranges = [(ends[i], ends[i + 1] - 1) for i in range(0, len(ends) - 1, 2)]
    if not ranges:
        raise re.error(f"there is no category {category}")
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges)


def expanded(replacement: str, groups: int) -> list[str | int]:
    """A Java replacement as literal texts and group numbers. Raises BadPatternError as Java would."""
    parts: list[str | int] = []
    i = 0
    while i < len(replacement):
        c = replacement[i]
        if c == "\\":
            i += 1
            if i == len(replacement):
                raise BadPatternError("the replacement ends with a lone backslash")
            parts.append(replacement[i])
        elif c == "$":
            m = re.compile(r"\d").match(replacement, i + 1)
            if m is None:
                raise BadPatternError(
                    "`$` in a replacement stands before a group's number; write `\\\\$` for itself"
                )
            number, i = int(m.group()), m.end()
            while (
                i < len(replacement)
                and replacement[i].isdigit()
                and number * 10 + int(replacement[i]) <= groups
            ):
                number = number * 10 + int(replacement[i])
                i += 1
            if number > groups:
                raise BadPatternError(f"the pattern has no group {number}")
            parts.append(number)
            continue
        else:
            parts.append(c)
        i += 1
    return parts
