"""From text to tokens, with sqlglot's Spark tokenizer.

Owns where tokens begin and end and what a string or number token means by Spark's rules (escapes, literal
suffixes). Refuses texts that cannot be cut into tokens. Comments are dropped.

sqlglot's suffix handling (``10L`` becoming a cast) is switched off: the type of a literal decides the type
of the arithmetic around it, so `grammar` must see the literal as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from sqlglot.dialects.spark import Spark
from sqlglot.errors import TokenError

from headrace.errors import ExpressionError


class _RowDialect(Spark):  # type: ignore[misc]
    class Tokenizer(Spark.Tokenizer):  # type: ignore[misc]
        NUMERIC_LITERALS: dict[str, str] = {}  # noqa: RUF012


@dataclass(frozen=True)
class Token:
    """`kind` is word, name (back-quoted), string, number, hex or symbol; `text` is its meaning for a string
    or name, else as written; `pos` is its first character."""

    kind: str
    text: str
    pos: int

    @property
    def word(self) -> str:
        """The lower-case word, or symbol; empty for literals and quoted names."""
        return self.text.lower() if self.kind in ("word", "symbol") else ""


_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(l|s|y|d|f|bd)?$", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_0-9]+$")
_SYMBOLS_ONLY = re.compile(r"[^\w\s'\"`]{2,}$")
_SYMBOL = re.compile(r"<=>|<=|>=|<>|!=|==|->|\|\||::|.")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_CONTROL = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}


@cache
def _tokenizer() -> object:
    return _RowDialect()


def unescape(body: str) -> str:
    """The value of a string literal's inside, by Spark's ``unescapeSQLString``."""

    def replace(m: re.Match[str]) -> str:
        e = m.group(1)
        if len(e) > 1:
            return chr(int(e[1:], 16) if e[0] in "uU" else int(e, 8))
        return _CONTROL.get(e, e)

    return _ESCAPE.sub(replace, body)


def tokens(text: str) -> list[Token]:
    """The tokens of `text` in order. Raises ExpressionError (``syntax``)."""
    try:
        found = _RowDialect.Tokenizer(dialect=_tokenizer()).tokenize(text)
    except TokenError:
        raise ExpressionError(
            "the text cannot be read: a quote or a comment is not closed",
            reason="syntax",
            expression=text,
            hint="Close every ' and \" and ` that is opened.",
        ) from None
    out: list[Token] = []
    for t in found:
        raw = text[t.start : t.end + 1]
        if _SYMBOLS_ONLY.match(raw):
            out += [Token("symbol", m.group(), t.start + m.start()) for m in _SYMBOL.finditer(raw)]
            continue
        token = _token(t.token_type.name, raw, t.start)
        if (
            out
            and token.kind == "number"
            and out[-1].text == "."
            and out[-1].pos == token.pos - 1
            and not (len(out) > 1 and _ends_operand(out[-2]) and out[-2].pos + 1 <= out[-1].pos)
        ):
            out[-1] = Token("number", "." + token.text, out[-1].pos)
        else:
            out.append(token)
    return out


def _ends_operand(t: Token) -> bool:
    return t.kind in ("word", "name") or t.text in (")", "]")


def _token(kind: str, raw: str, pos: int) -> Token:
    if kind == "STRING":
        return Token("string", unescape(raw[1:-1]), pos)
    if kind == "RAW_STRING":
        return Token("string", raw[2:-1], pos)
    if kind == "HEX_STRING" and raw.endswith(("'", '"')):
        return Token("hex", raw[2:-1], pos)
    if kind == "IDENTIFIER":
        return Token("name", raw[1:-1].replace("``", "`"), pos)
    if raw[0].isdigit() and _NUMBER.match(raw):
        return Token("number", raw, pos)
    return Token("word" if _WORD.match(raw) else "symbol", raw, pos)
