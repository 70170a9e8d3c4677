"""Spark SQL row expressions, compiled to Polars.

    text -> lexer (sqlglot's tokens) -> grammar (syntax) -> bind (names, types, casts) -> Polars

Owns what an expression means: Spark 3.5, non-ANSI, UTC. Knows nothing of windows, streams or stores.
"""

from headrace.errors import ExpressionError
from headrace.expressions.cast import can_cast, cast_expression
from headrace.expressions.catalogue import SupportedFunction, supported_functions
from headrace.expressions.evaluate import evaluate
from headrace.expressions.expression import Expression, compile_expression

__all__ = [
    "Expression",
    "ExpressionError",
    "SupportedFunction",
    "can_cast",
    "cast_expression",
    "compile_expression",
    "evaluate",
    "supported_functions",
]
