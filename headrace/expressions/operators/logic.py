"""``and``, ``or``, ``not``: three-valued logic on booleans, with no implicit cast from anything but null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import Bool

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder


@operation("and", group="operators", params=(Bool, Bool), raw=True, operator=True)
def both(binder: Binder, a: Value, b: Value) -> Value:
    a, b = binder.boolean(a, "each side of `and`"), binder.boolean(b, "each side of `and`")
    return combined(Bool, a.expr & b.expr, (a, b))


@operation("or", group="operators", params=(Bool, Bool), raw=True, operator=True)
def either(binder: Binder, a: Value, b: Value) -> Value:
    a, b = binder.boolean(a, "each side of `or`"), binder.boolean(b, "each side of `or`")
    return combined(Bool, a.expr | b.expr, (a, b))


@operation("not", group="operators", params=(Bool,), raw=True, operator=True)
def negation(binder: Binder, a: Value) -> Value:
    a = binder.boolean(a, "what stands behind `not`")
    return combined(Bool, ~a.expr, (a,))
