"""From a type's name as Spark SQL writes it to a type: ``decimal(10,2)``, ``array<int>``, ``map<string,int>``.

Owns the names; refuses what Headrace cannot carry.
"""

from __future__ import annotations

from collections.abc import Callable

from headrace.expressions.lexer import Token
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Timestamp,
)

NAMES: dict[str, DataType] = {
    "boolean": Bool,
    "tinyint": Int8,
    "byte": Int8,
    "smallint": Int16,
    "short": Int16,
    "int": Int32,
    "integer": Int32,
    "bigint": Int64,
    "long": Int64,
    "float": Float32,
    "real": Float32,
    "double": Float64,
    "date": Date,
    "timestamp": Timestamp,
    "timestamp_ltz": Timestamp,
    "string": String,
    "binary": Bytes,
    "void": Null,
}
DECIMAL_NAMES = ("decimal", "dec", "numeric")
LENGTH_NAMES = ("char", "character", "varchar")


class TypeReader:
    """Reads a type from tokens at `at`; afterwards `at` is the token behind it.

    `fail(message, token)` raises. A ``>>`` that closes two types is two tokens here, as sqlglot gives them.
    """

    def __init__(self, tokens: list[Token], at: int, fail: Callable[[str, Token], Exception]) -> None:
        self.tokens = tokens
        self.at = at
        self.fail = fail

    def read(self) -> DataType:
        token = self._next()
        word = token.word
        if word in DECIMAL_NAMES:
            return self._decimal(token)
        if word in LENGTH_NAMES:
            self._numbers()
            return String
        if word == "array":
            self._expect("<")
            item = self.read()
            self._expect(">")
            return List(item)
        if word == "map":
            self._expect("<")
            key = self.read()
            self._expect(",")
            value = self.read()
            self._expect(">")
            return Map(key, value)
        if word == "struct":
            self._expect("<")
            fields = self.fields()
            self._expect(">")
            return Struct(tuple(fields))
        if word not in NAMES:
            raise self.fail(f"`{token.text}` is no type that Headrace knows", token)
        return NAMES[word]

    def fields(self) -> list[tuple[str, DataType]]:
        """``a: int, b string``, as in a struct or a from_json schema."""
        out = []
        while self._peek() not in (">", ""):
            name = self._next().text
            if self._peek() == ":":
                self._next()
            out.append((name, self.read()))
            if self._peek() == "not":
                self._expect("not")
                self._expect("null")
            if self._peek() != ",":
                break
            self._next()
        return out

    def _decimal(self, token: Token) -> DataType:
        numbers = self._numbers()
        precision, scale = (*numbers, 10, 0)[:2] if not numbers else (*numbers, 0)[:2]
        if not (1 <= precision <= 38 and 0 <= scale <= precision):
            raise self.fail(
                f"decimal({precision},{scale}): precision is 1 to 38, scale 0 to precision", token
            )
        return Decimal(precision, scale)

    def _numbers(self) -> list[int]:
        if self._peek() != "(":
            return []
        self._next()
        out = []
        while True:
            token = self._next()
            if not token.text.isdigit():
                raise self.fail("a number was expected", token)
            out.append(int(token.text))
            if self._peek() != ",":
                break
            self._next()
        self._expect(")")
        return out

    def _peek(self) -> str:
        return self.tokens[self.at].word if self.at < len(self.tokens) else ""

    def _next(self) -> Token:
        if self.at >= len(self.tokens):
            raise self.fail("the text ends where a type was expected", self.tokens[-1])
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, symbol: str) -> None:
        if self._peek() != symbol:
            token = self.tokens[min(self.at, len(self.tokens) - 1)]
            raise self.fail(f"`{symbol}` was expected", token)
        self.at += 1
