"""What stands between operators: literals, names, subscripts, parentheses, case, intervals.

Follows the rule ``primaryExpression`` of Spark 3.5's SqlBaseParser.g4. `grammar` joins these by operators.
"""

from __future__ import annotations

from headrace.expressions.calls import Calls, named_members
from headrace.expressions.lexer import Token
from headrace.expressions.literals import (
    NotALiteralError,
    hex_literal,
    interval_literal,
    number,
    typed_literal,
    unit_name,
)
from headrace.expressions.syntax import Call, Case, Index, Lambda, Literal, Member, Name, Node
from headrace.types import Bool, Null, String

RESERVED = frozenset(
    [
        "then",
        "else",
        "end",
        "when",
        "and",
        "or",
        "not",
        "between",
        "in",
        "like",
        "ilike",
        "rlike",
        "regexp",
        "is",
        "as",
        "from",
        "on",
        "div",
        "escape",
    ]
)

CALLABLE = frozenset(["like", "ilike", "rlike", "regexp"])  # operators that are functions as well


class Primary(Calls):
    """The primary expressions; `expression` and `value` are given by `grammar.Grammar`."""

    def postfix(self, base: Node) -> Node:
        """`base` with its subscripts and members."""
        while True:
            if self.sees("["):
                pos = self.next().pos
                index = self.value()
                self.expect("]", "behind the subscript")
                base = Index(pos, base, index)
            elif self.sees("."):
                pos = self.next().pos
                token = self.next()
                if token.word == "*":
                    raise self.star()
                if token.kind not in ("word", "name"):
                    raise self.error("a member's name was expected behind `.`", token)
                base = (
                    Name(base.pos, (*base.parts, token.text))
                    if isinstance(base, Name)
                    else Member(pos, base, token.text)
                )
            else:
                return base

    def primary(self) -> Node:
        token = self.peek()
        if token.kind == "string":
            return self._strings()
        if token.kind == "number":
            return self.number(token.pos)
        if token.kind == "hex":
            self.next()
            return self._literal(hex_literal, token, token.text)
        if token.kind == "name":
            if self.peek(1).word == "(":
                return self.plain_call(token)
            self.next()
            return self._lambda_or_name(token)
        if token.word == "(":
            return self._parenthesis()
        if token.word == "*":
            raise self.star()
        if token.kind != "word":
            raise self.error("a value was expected")
        return self._word(token)

    def number(self, pos: int, *, negative: bool = False) -> Node:
        token = self.next()
        return self._literal(number, token, ("-" if negative else "") + token.text, pos=pos)

    def _literal(self, make: object, token: Token, *args: object, pos: int | None = None) -> Literal:
        try:
            value, type_ = make(*args)  # type: ignore[operator]
        except NotALiteralError as error:
            raise self.refuse(str(error), "syntax") from None
        return Literal(token.pos if pos is None else pos, value, type_)

    def _strings(self) -> Node:
        token = self.next()
        text = token.text
        while self.peek().kind == "string":
            text += self.next().text
        return Literal(token.pos, text, String)

    def _word(self, token: Token) -> Node:
        word, following = token.word, self.peek(1)
        if following.word == "(":
            if word == "values":
                raise self.refuse("this is a statement, not a row expression", "statement")
            if word in CALLABLE:
                return self._called_operator(token)
            if word not in RESERVED:
                return self.call(token)
        if word == "case":
            return self._case(token)
        if word in ("true", "false"):
            self.next()
            return Literal(token.pos, word == "true", Bool)
        if word == "null":
            self.next()
            return Literal(token.pos, None, Null)
        if word == "interval" and (following.kind in ("string", "number") or following.word in ("-", "+")):
            return self._interval(token)
        if following.kind == "string" and word in (
            "date",
            "timestamp",
            "timestamp_ltz",
            "timestamp_ntz",
            "x",
        ):
            self.next()
            string = self.next()
            return self._literal(typed_literal, token, word, string.text)
        if word in RESERVED and not self._is_operand_end(1):
            raise self.error("a value was expected")
        self.next()
        return self._lambda_or_name(token)

    def _called_operator(self, token: Token) -> Node:
        """``like(x, pattern)``; `escape` has no place in a call."""
        node = self.call(token)
        if isinstance(node, Call) and len(node.args) > 2:
            raise self.refuse(f"`{token.word}` takes 2 arguments, got {len(node.args)}", "wrong_arity")
        return node

    def _is_operand_end(self, ahead: int) -> bool:
        """Whether what stands there cannot begin an operand, so that the word before it is a name."""
        token = self.peek(ahead)
        return token.kind == "end" or token.word in (
            *(
                ")",
                "]",
                ",",
                "=",
                "==",
                "<",
                ">",
                "<=",
                ">=",
                "<>",
                "!=",
                "<=>",
                "/",
                "%",
                "|",
                "&",
                "^",
                "||",
            ),
            *("and", "or", "is", "."),
        )

    def _lambda_or_name(self, token: Token) -> Node:
        if self.sees("->"):
            self.next()
            return Lambda(token.pos, (token.text,), self.expression())
        return Name(token.pos, (token.text,))

    def _parenthesis(self) -> Node:
        token = self.next()
        self.refuse_query()
        if self._sees_lambda_params():
            params = [self.next().text]
            while self.take(","):
                params.append(self.next().text)
            self.next()
            self.next()
            return Lambda(token.pos, tuple(params), self.expression())
        inner = self.expression()
        if self.sees(","):
            args = [inner]
            while self.take(","):
                args.append(self.expression())
            self.expect(")", "behind the last value")
            return Call(token.pos, "named_struct", named_members(args))
        self.expect(")", f"to close the `(` at character {token.pos + 1}")
        return inner

    def _sees_lambda_params(self) -> bool:
        i = 0
        while self.peek(i).kind in ("word", "name") and self.peek(i + 1).word == ",":
            i += 2
        return self.peek(i + 1).word == ")" and self.peek(i + 2).word == "->"

    def _case(self, token: Token) -> Node:
        self.next()
        operand = None if self.sees("when") else self.expression()
        branches: list[tuple[Node, Node]] = []
        while self.take("when"):
            condition = self.expression()
            if operand is not None:
                condition = Call(condition.pos, "=", (operand, condition), operator=True)
            self.expect("then", "behind the condition of `when`")
            branches.append((condition, self.expression()))
        if not branches:
            raise self.error("`when` was expected behind `case`")
        otherwise = self.expression() if self.take("else") else None
        self.expect("end", "to close `case`")
        return Case(token.pos, tuple(branches), otherwise)

    def _interval(self, token: Token) -> Node:
        self.next()
        if self.peek().kind == "string" and self.peek(1).kind != "word":
            return self._literal(typed_literal, token, "interval", self.next().text)
        fields: list[tuple[str, str]] = []
        while self.peek().kind in ("string", "number") or (
            self.peek().word in ("-", "+")
            and self.peek(1).kind in ("string", "number")
            and self.peek(2).kind == "word"
        ):
            if fields and self.peek().word in ("-", "+") and not self._interval_continues():
                break
            sign = self.next().text if self.peek().word in ("-", "+") else ""
            amount = self.next()
            unit = self.next()
            if unit.kind != "word":
                raise self.error("a unit such as `day` was expected in the interval", unit)
            if self.take("to"):
                fields.append((sign + amount.text, f"{unit.word} to {self.next().word}"))
                break
            fields.append((sign + amount.text, unit.word))
        if not fields:
            raise self.error("a number and a unit were expected behind `interval`")
        return self._literal(interval_literal, token, tuple(fields))

    def _interval_continues(self) -> bool:
        return unit_name(self.peek(2).word) is not None
