"""Calls: the plain form ``name(a, b)``, and those with words inside their parentheses.

Owns ``cast(x as t)``, ``extract(f from x)``, ``trim(both c from x)``, ``overlay(x placing y from n)``,
``timestampdiff(HOUR, a, b)`` and their like, each given on as a plain call; and the refusal of windows,
filters and subqueries where they show themselves in a call.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.expressions.cursor import Cursor
from headrace.expressions.lexer import Token
from headrace.expressions.syntax import Call, Cast, Literal, Member, Name, Node
from headrace.types import String

QUERY_WORDS = ("select", "with", "values", "from", "table")


def named_members(values: Sequence[Node], names: Sequence[str | None] = ()) -> tuple[Node, ...]:
    """Arguments of named_struct: each value under its given name, its column's name, or ``colN``."""
    out: list[Node] = []
    for i, value in enumerate(values):
        name = names[i] if i < len(names) else None
        if name is None and isinstance(value, Name):
            name = value.parts[-1]
        if name is None and isinstance(value, Member):
            name = value.name
        out += [Literal(value.pos, name or f"col{i + 1}", String), value]
    return tuple(out)


class Calls(Cursor):
    """The calls; `expression` and `value` are given by `grammar.Grammar`."""

    def expression(self) -> Node:
        raise NotImplementedError

    def value(self) -> Node:
        raise NotImplementedError

    def call(self, token: Token) -> Node:
        """The call whose name is the next token, by its own grammar if it has one."""
        worded = {
            "cast": self._cast_call,
            "try_cast": self._cast_call,
            "extract": self._extract_call,
            "position": self._position_call,
            "substring": self._substring_call,
            "substr": self._substring_call,
            "trim": self._trim_call,
            "overlay": self._overlay_call,
            "struct": self._struct_call,
            "exists": self._exists_call,
            "timestampadd": self._unit_call,
            "dateadd": self._unit_call,
            "date_add": self._unit_call,
            "timestampdiff": self._unit_call,
            "datediff": self._unit_call,
            "date_diff": self._unit_call,
        }.get(token.word)
        return self.plain_call(token) if worded is None else worded(token)

    def refuse_query(self) -> None:
        word = self.peek().word
        if word == "select" or (word in QUERY_WORDS and self.peek(1).kind in ("word", "name", "number")):
            raise self.refuse(
                "a subquery is no row expression",
                "subquery",
                "An expression sees one row: list the values, or join before the topic.",
            )

    def list_of_values(self) -> list[Node]:
        """``(a, b, c)`` behind `in` and `like any`."""
        self.expect("(", "before the list of values")
        self.refuse_query()
        values = [self.expression()]
        while self.take(","):
            values.append(self.expression())
        self.expect(")", "behind the list of values")
        return values

    def plain_call(self, token: Token) -> Node:
        self.next()
        self.expect("(", "behind the function's name")
        name = token.text.lower()
        if self.take("*"):
            self.expect(")", "behind `*`")
            return self._behind_call(Call(token.pos, name, (Name(token.pos, ("*",)),)))
        if self.sees("distinct") or self.sees("all"):
            quantifier = self.peek(1)
            if quantifier.word not in (")", ",", "."):
                self.next()
                name = f"{name} distinct"
        args: list[Node] = []
        if not self.sees(")"):
            self.refuse_query()
            args.append(self.expression())
            while self.take(","):
                args.append(self.expression())
        self.expect(")", f"to close the call of `{token.text}`")
        return self._behind_call(Call(token.pos, name, tuple(args)))

    def _behind_call(self, call: Call) -> Node:
        if self.sees("ignore", "nulls") or self.sees("respect", "nulls"):
            self.at += 2
        if self.sees("over"):
            raise self.refuse(
                "`over (...)` is a window over rows, and an expression sees one row",
                "window",
                "Use an aggregate of the feature view, such as `hr.sum(..., over='1h')`.",
            )
        if self.sees("filter", "("):
            raise self.refuse(f"`{call.name}` with `filter` is an aggregate", "aggregate")
        return call

    # Calls with words inside their parentheses; found by name

    def _cast_call(self, token: Token) -> Node:
        self.at += 2
        arg = self.expression()
        self.expect("as", f"behind the value of `{token.word}`")
        type_ = self.type()
        self.expect(")", f"to close `{token.word}`")
        return Cast(token.pos, arg, type_, attempt=token.word == "try_cast")

    def _extract_call(self, token: Token) -> Node:
        self.at += 2
        field = self.next()
        self.expect("from", "behind the field of `extract`")
        source = self.value()
        self.expect(")", "to close `extract`")
        return Call(token.pos, "date_part", (Literal(field.pos, field.text, String), source))

    def _position_call(self, token: Token) -> Node:
        start = self.at
        self.at += 2
        part = self.value()
        if self.take("in"):
            whole = self.value()
            self.expect(")", "to close `position`")
            return Call(token.pos, "locate", (part, whole))
        self.at = start
        return self.plain_call(token)

    def _substring_call(self, token: Token) -> Node:
        start = self.at
        self.at += 2
        if not self.sees(")"):
            text = self.value()
            if self.take("from"):
                args = [text, self.value()]
                if self.take("for"):
                    args.append(self.value())
                self.expect(")", f"to close `{token.word}`")
                return Call(token.pos, token.word, tuple(args))
        self.at = start
        return self.plain_call(token)

    def _trim_call(self, token: Token) -> Node:
        start = self.at
        self.at += 2
        sides = {"both": "trim both", "leading": "trim leading", "trailing": "trim trailing"}
        side = sides.get(self.peek().word) if self.peek(1).word not in (")", ",", ".") else None
        if side is not None:
            self.next()
        if self.sees(")"):
            self.at = start
            return self.plain_call(token)
        characters = None if self.sees("from") else self.value()
        if self.take("from"):
            text = self.value()
            self.expect(")", "to close `trim`")
            args = (text,) if characters is None else (text, characters)
            return Call(token.pos, side or "trim both", args)
        if side is not None:
            raise self.error("`from` was expected in `trim`")
        self.at = start
        return self.plain_call(token)

    def _overlay_call(self, token: Token) -> Node:
        start = self.at
        self.at += 2
        text = self.value()
        if self.take("placing"):
            args = [text, self.value()]
            self.expect("from", "in `overlay`")
            args.append(self.value())
            if self.take("for"):
                args.append(self.value())
            self.expect(")", "to close `overlay`")
            return Call(token.pos, "overlay", tuple(args))
        self.at = start
        return self.plain_call(token)

    def _struct_call(self, token: Token) -> Node:
        self.at += 2
        values: list[Node] = []
        names: list[str | None] = []
        while not self.sees(")"):
            values.append(self.expression())
            names.append(self.next().text if self.take("as") else None)
            if not self.take(","):
                break
        self.expect(")", "to close `struct`")
        return self._behind_call(Call(token.pos, "named_struct", named_members(values, names)))

    def _exists_call(self, token: Token) -> Node:
        self.at += 2
        self.refuse_query()
        self.at -= 2
        return self.plain_call(token)

    def _unit_call(self, token: Token) -> Node:
        """``timestampdiff(HOUR, a, b)``: a unit, then values. Two arguments: the plain function."""
        call = self.plain_call(token)
        if isinstance(call, Call) and len(call.args) == 3:
            unit = call.args[0]
            if isinstance(unit, Name) and len(unit.parts) == 1:
                args = (Literal(unit.pos, unit.parts[0].lower(), String), *call.args[1:])
                name = "timestampadd" if "add" in call.name else "timestampdiff"
                return Call(call.pos, name, args)
        return call

    def star(self) -> Exception:
        return self.refuse(
            "`*` stands for every column, and an expression is one value", "star", "Name the column you mean."
        )
