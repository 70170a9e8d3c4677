"""A JSON reader with Jackson's manners, as Spark uses it: single quotes are quotes too, numbers are kept as
written, repeated names too, and what follows the first document is not looked at."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"true|false|null")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/", "'": "'"}
_BLANK = " \t\r\n"
_PLAIN = {q: re.compile(rf"[^{q}\\\x00-\x1f]*") for q in "\"'"}


class Pairs(list[tuple[str, Any]]):
    """An object: its members in order, repeated names and all."""


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class NotJsonError(ValueError):
    """The text is no JSON document."""


def load(text: str) -> Any:
    """The first document of `text`. Raises NotJsonError."""
    reader = _Reader(text)
    reader.blank()
    try:
        return reader.value()
    except (IndexError, RecursionError):
        raise NotJsonError("the text ends too soon") from None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _BLANK:
            self.at += 1

    def value(self) -> Any:
        c = self.text[self.at]
        if c == "{":
            return self._object()
        if c == "[":
            return self._array()
        if c in "\"'":
            return self._string()
        for pattern, make in ((_NUMBER, Number), (_WORD, _WORDS.__getitem__)):
            m = pattern.match(self.text, self.at)
            if m:
                self.at = m.end()
                return make(m.group())
        raise NotJsonError(f"character {self.at} begins no value")

    def _take(self, c: str) -> bool:
        self.blank()
        if self.text[self.at] != c:
            return False
        self.at += 1
        self.blank()
        return True

    def _object(self) -> Pairs:
        self.at += 1
        out = Pairs()
        self.blank()
        if self.text[self.at] == "}":
            self.at += 1
            return out
        while True:
            if self.text[self.at] not in "\"'":
                raise NotJsonError("a name was expected")
            name = self._string()
            if not self._take(":"):
                raise NotJsonError("`:` was expected")
            out.append((name, self.value()))
            if self._take(","):
                continue
            if self.text[self.at] != "}":
                raise NotJsonError("`,` or `}` was expected")
            self.at += 1
            return out

    def _array(self) -> list[Any]:
        self.at += 1
        out: list[Any] = []
        self.blank()
        if self.text[self.at] == "]":
            self.at += 1
            return out
        while True:
            out.append(self.value())
            if self._take(","):
                continue
            if self.text[self.at] != "]":
                raise NotJsonError("`,` or `]` was expected")
            self.at += 1
            return out

    def _string(self) -> str:
        quote = self.text[self.at]
        self.at += 1
        out = ""
        while True:
            m = _PLAIN[quote].match(self.text, self.at)
            assert m is not None
            out += m.group()
            self.at = m.end()
            c = self.text[self.at]
            self.at += 1
            if c == quote:
                return out.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if c != "\\":
                raise NotJsonError("a control character stands in a string")
            out += self._escape()

    def _escape(self) -> str:
        c = self.text[self.at]
        self.at += 1
        if c == "u":
            digits = self.text[self.at : self.at + 4]
            self.at += 4
            if not re.fullmatch("[0-9a-fA-F]{4}", digits):
                raise NotJsonError("`\\u` wants four hexadecimal digits")
            return chr(int(digits, 16))
        if c not in _ESCAPES:
            raise NotJsonError(f"`\\{c}` is no escape")
        return _ESCAPES[c]
