"""From syntax to typed, compiled values: names resolved, types checked, implicit casts put in.

Owns the walk and every refusal that needs the schema or the registry: unknown columns and functions, arity,
types, and what would need more than one row. Knows no function: those are in `functions` and `operators`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from headrace.errors import ExpressionError, did_you_mean
from headrace.expressions import syntax
from headrace.expressions.access import extract
from headrace.expressions.cast import can_cast, cast_expression
from headrace.expressions.cast.attempt import can_try_cast, try_cast_expression
from headrace.expressions.coercion import common, describe, implicit
from headrace.expressions.functions import load
from headrace.expressions.refused import ABSENT, reason_to_refuse
from headrace.expressions.registry import Operation, operations
from headrace.expressions.value import Value, combined, literal
from headrace.functions import Function
from headrace.types import Bool, DataType, Null, String

load()

NO_PARENS = frozenset(
    ["current_date", "current_timestamp", "localtimestamp", "current_user", "user", "session_user"]
)
"""Functions that are called without parentheses; a column of that name comes first, as in Spark."""


class Binder:
    """Binds the syntax of one expression (`text`) against `schema` and the user's `functions`."""

    def __init__(
        self, text: str, schema: Mapping[str, DataType], functions: Mapping[str, Function] | None = None
    ) -> None:
        self.text = text
        self.schema = schema
        self.names = {name.lower(): name for name in reversed(list(schema))}
        self.functions = {name.lower(): f for name, f in (functions or {}).items()}
        self.variables: dict[str, Value] = {}
        self.places = 0

    def bind(self, node: syntax.Node) -> Value:
        if isinstance(node, syntax.Literal):
            return literal(node.value, node.type)
        if isinstance(node, syntax.Name):
            return self._name(node)
        if isinstance(node, syntax.Member):
            return extract(self, self.bind(node.base), literal(node.name, String))
        if isinstance(node, syntax.Index):
            return extract(self, self.bind(node.base), self.bind(node.index))
        if isinstance(node, syntax.Cast):
            return self._cast(node)
        if isinstance(node, syntax.Case):
            return self._case(node)
        if isinstance(node, syntax.Call):
            return self._call(node)
        raise self.error("a lambda stands where a value was expected", "syntax")

    def error(self, message: str, reason: str, hint: str | None = None) -> ExpressionError:
        return ExpressionError(message, reason=reason, expression=self.text, hint=hint)

    def mismatch(self, message: str, hint: str | None = None) -> ExpressionError:
        return self.error(message, "type_mismatch", hint)

    def cast(self, value: Value, t: DataType) -> Value:
        """`value` as `t`, without asking whether Spark would cast it by itself."""
        if value.type == t:
            return value
        return combined(t, cast_expression(value.expr, value.type, t), (value,))

    def to_common(
        self, values: Sequence[Value], what: str, *, promote_strings: bool = True
    ) -> tuple[DataType, list[Value]]:
        """The values in the type they meet in."""
        t = common([v.type for v in values], promote_strings=promote_strings)
        if t is None:
            got = ", ".join(v.type.spark for v in values)
            raise self.mismatch(
                f"{what} must be of one type, got {got}", "Cast them to one type with `cast(... as ...)`."
            )
        return t, [self.cast(v, t) for v in values]

    def place(self) -> int:
        """A number for each random call, in the order of the text."""
        self.places += 1
        return self.places - 1

    def boolean(self, value: Value, what: str) -> Value:
        if value.type not in (Bool, Null):
            raise self.mismatch(f"{what} must be boolean, got {value.type.spark}")
        return self.cast(value, Bool)

    def _name(self, node: syntax.Name) -> Value:
        first, *rest = node.parts
        variable = self.variables.get(first.lower())
        if variable is not None:
            value = variable
        else:
            column = self.names.get(first.lower())
            if column is None and not rest and first.lower() in NO_PARENS:
                return self._call(syntax.Call(node.pos, first.lower(), ()))
            if column is None:
                raise self.error(
                    f"there is no column `{'.'.join(node.parts)}`",
                    "unknown_column",
                    did_you_mean(first, self.schema)
                    or ("The columns are: " + ", ".join(self.schema) + "." if self.schema else None),
                )
            value = Value(self.schema[column], pl.col(column), frozenset([column]))
        for part in rest:
            value = extract(self, value, literal(part, String))
        return value

    def _cast(self, node: syntax.Cast) -> Value:
        value = self.bind(node.arg)
        if not can_cast(value.type, node.type):
            raise self.mismatch(f"a value of type {value.type.spark} cannot be cast to {node.type.spark}")
        if node.attempt:
            return self._try_cast(value, node.type)
        return self.cast(value, node.type)

    def _try_cast(self, value: Value, t: DataType) -> Value:
        if not can_try_cast(value.type, t):
            raise self.mismatch(f"`try_cast` cannot take {value.type.spark} to {t.spark}")
        return combined(t, try_cast_expression(value.expr, value.type, t), (value,))

    def _case(self, node: syntax.Case) -> Value:
        conditions = [self.bind(c) for c, _ in node.branches]
        for condition in conditions:
            if condition.type != Bool:
                raise self.mismatch(f"the condition of `when` must be boolean, got {condition.type.spark}")
        results = [self.bind(r) for _, r in node.branches]
        otherwise = literal(None, Null) if node.otherwise is None else self.bind(node.otherwise)
        t, (*branches, last) = self.to_common([*results, otherwise], "the results of `case`")
        expr: Any = pl
        for condition, branch in zip(conditions, branches, strict=True):
            expr = expr.when(condition.expr).then(branch.expr)
        return combined(t, expr.otherwise(last.expr), (*conditions, *branches, last))

    def _call(self, node: syntax.Call) -> Value:
        name = node.name
        found = operations().get(name)
        if found is None and not node.operator and name in self.functions:
            return self._user_function(self.functions[name], [self.bind(a) for a in node.args])
        refusal = None if found else reason_to_refuse(name)
        if refusal is not None:
            raise self.error(*refusal)
        if found is None:
            raise self.error(
                f"`{name}` of Spark is not supported" if name in ABSENT else f"there is no function `{name}`",
                "unknown_function",
                did_you_mean(name, [*operations(), *self.functions])
                or "docs/expressions.md lists the functions; write your own with @hr.function.",
            )
        if any(isinstance(a, syntax.Name) and a.parts == ("*",) for a in node.args):
            raise self.error("`*` stands for every column, and an argument is one value", "star")
        self._check_arity(name, found, len(node.args))
        if found.syntactic:
            return found.build(self, node.args)  # type: ignore[no-any-return]
        args = [self.bind(a) for a in node.args]
        if not found.raw:
            args = [self._argument(name, found, i, a) for i, a in enumerate(args)]
        built = found.build(self, *args) if found.raw else found.build(*args)
        if isinstance(built, Value):
            return built
        if found.returns is None:
            t, expr = built
        else:
            t, expr = found.returns if isinstance(found.returns, DataType) else found.returns(args), built
        return combined(t, expr, args, deterministic=found.deterministic)

    def _check_arity(self, name: str, found: Operation, got: int) -> None:
        if got < found.required or (found.most is not None and got > found.most):
            plural = "" if found.arity == "1" else "s"
            raise self.error(
                f"`{name}` takes {found.arity} argument{plural}, got {got}",
                "wrong_arity",
                f"Its arguments are: {', '.join(map(describe, found.params))}." if found.params else None,
            )

    def _argument(self, name: str, found: Operation, i: int, value: Value) -> Value:
        parameter = found.parameter(i)
        t = implicit(value.type, parameter)
        if t is None:
            raise self.mismatch(
                f"`{name}` takes {describe(parameter)} as argument {i + 1}, got {value.type.spark}",
                "Cast it with `cast(... as ...)`." if can_cast_to(value.type, parameter) else None,
            )
        return self.cast(value, t)

    def _user_function(self, function: Function, args: Sequence[Value]) -> Value:
        low, most = function.arity
        if len(args) < low or (most is not None and len(args) > most):
            wanted = str(low) if most == low else f"{low} or more" if most is None else f"{low} to {most}"
            raise self.error(f"`{function.name}` takes {wanted} arguments, got {len(args)}", "wrong_arity")
        expr = function.over([a.expr for a in args])
        if all(a.constant is not None for a in args):
            expr = expr.first()  # one value, spread over the rows
        columns = frozenset().union(*(a.columns for a in args))
        return Value(function.returns, expr, columns, all(a.deterministic for a in args))


def can_cast_to(a: DataType, parameter: object) -> bool:
    return isinstance(parameter, DataType) and can_cast(a, parameter)
