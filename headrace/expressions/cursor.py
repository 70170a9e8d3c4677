"""A reader over the tokens of one expression: looking ahead, taking, and failing with a position.

Owns how a syntax error is said. Knows no grammar.
"""

from __future__ import annotations

from headrace.errors import ExpressionError
from headrace.expressions.lexer import Token, tokens
from headrace.expressions.typetext import TypeReader
from headrace.types import DataType

END = Token("end", "", -1)


class Cursor:
    """The tokens of `text`, and the place of the next one to read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else END

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def sees(self, *words: str) -> bool:
        """Whether the next tokens are these words or symbols."""
        return all(self.peek(i).word == w for i, w in enumerate(words))

    def take(self, *words: str) -> bool:
        """Moves over these words if they come next."""
        if not self.sees(*words):
            return False
        self.at += len(words)
        return True

    def expect(self, word: str, after: str) -> Token:
        if self.peek().word != word:
            raise self.error(f"`{word}` was expected {after}")
        return self.next()

    def type(self) -> DataType:
        reader = TypeReader(self.tokens, self.at, self.error)
        found = reader.read()
        self.at = reader.at
        return found

    def error(self, message: str, token: Token | None = None, *, reason: str = "syntax") -> ExpressionError:
        token = token or self.peek()
        where = (
            "but the text ends"
            if token.kind == "end"
            else f"but `{token.text}` stands at character {token.pos + 1}"
        )
        return ExpressionError(f"{message}, {where}", reason=reason, expression=self.text)

    def refuse(self, message: str, reason: str, hint: str | None = None) -> ExpressionError:
        return ExpressionError(message, reason=reason, expression=self.text, hint=hint)
