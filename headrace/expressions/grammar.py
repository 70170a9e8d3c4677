"""From text to a syntax tree: Spark SQL's row-level grammar.

Owns the operators and their precedence, as in the rules ``booleanExpression``, ``predicate`` and
``valueExpression`` of Spark 3.5's SqlBaseParser.g4, and the refusal of texts that are no row expression
(statements, subqueries, windows, stars). `primary` holds what stands between operators.

Tokens come from sqlglot. Its Spark parser is not used for the tree: it gives ``|``, ``^``, ``&`` and ``||``
one precedence where Spark has four, rewrites calls (``nvl`` to COALESCE, ``date_format`` to a strftime
pattern) so that Spark's own arity and type rules can no longer be applied, and accepts much that Spark
refuses (``::``, ``<<``, aliases inside calls).
"""

from __future__ import annotations

from headrace.errors import ExpressionError
from headrace.expressions.primary import Primary
from headrace.expressions.syntax import Call, Literal, Node
from headrace.types import Bool, String

STATEMENTS = frozenset(
    [
        "select",
        "with",
        "from",
        "values",
        "table",
        "show",
        "describe",
        "desc",
        "explain",
        "use",
        "set",
        "reset",
        "cache",
        "uncache",
        "refresh",
        "analyze",
        "map",
        "reduce",
        "add",
        "list",
        "clear",
    ]
)
DDL = frozenset(
    [
        "create",
        "drop",
        "alter",
        "insert",
        "update",
        "delete",
        "merge",
        "truncate",
        "replace",
        "load",
        "msck",
        "repair",
        "comment",
        "grant",
        "revoke",
        "lock",
        "unlock",
        "start",
        "commit",
        "rollback",
        "export",
        "import",
        "dfs",
    ]
)
COMPARISONS = {"=": "=", "==": "=", "<=>": "<=>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
NOT_EQUAL = ("<>", "!=")


def parse(text: str) -> Node:
    """The syntax tree of one row expression. Raises ExpressionError with its reason."""
    if not text.strip():
        raise ExpressionError(
            "the expression is empty",
            reason="empty",
            expression=text,
            hint="Write a column or an expression, such as `amount * 2`.",
        )
    grammar = Grammar(text)
    if not grammar.tokens:
        raise ExpressionError("the expression is only a comment", reason="empty", expression=text)
    grammar.refuse_several_statements()
    if grammar.sees("select"):
        raise grammar.not_a_statement()
    try:
        tree = grammar.expression()
        if grammar.peek().kind != "end":
            raise grammar.trailing()
    except ExpressionError as error:
        if error.reason == "syntax":
            raise grammar.by_first_word(error) from None
        raise
    except RecursionError:
        raise ExpressionError(
            "the expression is nested too deeply", reason="syntax", expression=text[:200]
        ) from None
    return tree


class Grammar(Primary):
    """Operators, loosest first: or, and, not, predicates, comparisons, |, ^, &, + - ||, * / % div, unary."""

    def expression(self) -> Node:
        left = self._and()
        while self.sees("or"):
            pos = self.next().pos
            left = Call(pos, "or", (left, self._and()), operator=True)
        return left

    def _and(self) -> Node:
        left = self._not()
        while self.sees("and"):
            pos = self.next().pos
            left = Call(pos, "and", (left, self._not()), operator=True)
        return left

    def _not(self) -> Node:
        if self.sees("!") or (self.sees("not") and not self._is_operand_end(1)):
            pos = self.next().pos
            return Call(pos, "not", (self._not(),), operator=True)
        return self._predicate(self.value())

    def _predicate(self, left: Node) -> Node:
        pos = self.peek().pos
        start = self.at
        negated = self.take("not") or self.take("!")
        word = self.peek().word
        found: Node
        if word == "between":
            self.next()
            low = self.value()
            self.expect("and", "between the bounds of `between`")
            high = self.value()
            found = _op(pos, "and", _op(pos, ">=", left, low), _op(pos, "<=", left, high))
        elif word == "in":
            self.next()
            found = Call(pos, "in", (left, *self.list_of_values()), operator=True)
        elif word in ("rlike", "regexp"):
            self.next()
            found = _op(pos, "rlike", left, self.value())
        elif word in ("like", "ilike"):
            self.next()
            found = self._like(pos, word, left, negated)
            if isinstance(found, Call) and found.name in ("and", "or"):
                return found
        elif word == "is" and not negated:
            self.next()
            return self._is(pos, left)
        else:
            self.at = start
            return left
        return _op(pos, "not", found) if negated else found

    def _like(self, pos: int, word: str, left: Node, negated: bool) -> Node:
        quantifier = self.peek().word
        if quantifier in ("any", "some", "all") and self.peek(1).word == "(":
            self.next()
            found: Node | None = None
            join = "and" if quantifier == "all" else "or"
            for pattern in self.list_of_values():
                one: Node = _op(pos, word, left, pattern)
                one = _op(pos, "not", one) if negated else one
                found = one if found is None else _op(pos, join, found, one)
            assert found is not None
            if isinstance(found, Call) and found.name in ("and", "or"):
                return found
            return _op(pos, "and", found, Literal(pos, True, Bool))
        pattern = self.value()
        if self.take("escape"):
            token = self.next()
            if token.kind != "string" or len(token.text) != 1:
                raise self.error("`escape` takes one character in quotes", token)
            return _op(pos, word, left, pattern, Literal(pos, token.text, String))
        return _op(pos, word, left, pattern)

    def _is(self, pos: int, left: Node) -> Node:
        negated = self.take("not")
        if self.take("null") or self.take("unknown"):
            found = _op(pos, "isnull", left)
        elif self.sees("true") or self.sees("false"):
            found = _op(pos, "<=>", left, Literal(pos, self.next().word == "true", Bool))
        elif self.take("distinct", "from"):
            found = _op(pos, "not", _op(pos, "<=>", left, self.value()))
        else:
            raise self.error("`null`, `true`, `false`, `unknown` or `distinct from` was expected after `is`")
        return _op(pos, "not", found) if negated else found

    def value(self) -> Node:
        left = self._bit_or()
        while (word := self.peek().word) in COMPARISONS or word in NOT_EQUAL:
            pos = self.next().pos
            right = self._bit_or()
            if word in NOT_EQUAL:
                left = _op(pos, "not", _op(pos, "=", left, right))
            else:
                left = _op(pos, COMPARISONS[word], left, right)
        return left

    def _bit_or(self) -> Node:
        left = self._bit_xor()
        while self.sees("|"):
            left = _op(self.next().pos, "|", left, self._bit_xor())
        return left

    def _bit_xor(self) -> Node:
        left = self._bit_and()
        while self.sees("^"):
            left = _op(self.next().pos, "^", left, self._bit_and())
        return left

    def _bit_and(self) -> Node:
        left = self._sum()
        while self.sees("&"):
            left = _op(self.next().pos, "&", left, self._sum())
        return left

    def _sum(self) -> Node:
        left = self._product()
        while (word := self.peek().word) in ("+", "-", "||"):
            left = _op(self.next().pos, word, left, self._product())
        return left

    def _product(self) -> Node:
        left = self.unary()
        while (word := self.peek().word) in ("*", "/", "%", "div"):
            left = _op(self.next().pos, word, left, self.unary())
        return left

    def unary(self) -> Node:
        token = self.peek()
        if token.word == "-" and self.peek(1).kind == "number":
            self.next()
            return self.postfix(self.number(token.pos, negative=True))
        if token.word in ("-", "+", "~"):
            self.next()
            return Call(token.pos, token.word, (self.unary(),), operator=True)
        return self.postfix(self.primary())

    # What is no expression at all

    def refuse_several_statements(self) -> None:
        semicolons = [i for i, t in enumerate(self.tokens) if t.word == ";"]
        if semicolons and semicolons[0] < len(self.tokens) - 1:
            raise self.refuse(
                "there are several statements, separated by `;`",
                "multiple_statements",
                "Write one expression; give each feature or column its own.",
            )

    def not_a_statement(self) -> ExpressionError:
        return self.refuse(
            "this is a statement, not a row expression",
            "statement",
            "Write only what would stand behind `select`.",
        )

    def trailing(self) -> ExpressionError:
        if self.sees("as"):
            return self.refuse(
                "an expression has no alias",
                "syntax",
                "The feature's or column's own name is used: remove `as ...`.",
            )
        if self.sees(")"):
            return self.error("a `)` closes nothing")
        return self.error("an operator or the end was expected")

    def by_first_word(self, error: ExpressionError) -> ExpressionError:
        first = self.tokens[0].word
        if first in DDL:
            return self.refuse(
                f"`{first}` is a command, not a row expression",
                "ddl",
                "Expressions only compute a value from one row.",
            )
        return self.not_a_statement() if first in STATEMENTS else error


def _op(pos: int, name: str, *args: Node) -> Call:
    return Call(pos, name, args, operator=True)
