"""`function` as definitions use it: mistakes teach, and what is registered can be called by name in expressions.

Inside a load a function belongs to that load; outside (a notebook, a test) to the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sys import _getframe

import polars as pl

from headrace import functions
from headrace.declaring import Mistakes, current_scope, declaring, place_of
from headrace.errors import DefinitionError
from headrace.functions import Function
from headrace.types import DataType, Null

Columnar = Callable[..., pl.Series]

_process: dict[str, Function] = {}


def _function(*, returns: DataType, name: str | None = None) -> Callable[[Columnar], Function]:
    """Register a vectorised function over Polars series for expressions: ``@hr.function(returns=hr.Float64)``.

    Row i of its result may depend on row i of its arguments alone. An expression calls it by its own name, or
    by `name`.
    """
    wrap = functions.function(returns=returns, name=name)

    def register(call: Columnar) -> Function:
        place = place_of(_getframe(1))
        scope = current_scope()
        try:
            made = wrap(call)
        except DefinitionError as error:
            mistakes = Mistakes(f"function {getattr(call, '__name__', '')}".rstrip(), place)
            mistakes.take(error)
            mistakes.settle()
            return Function(name or "broken", returns, call, (0, None))
        if scope is None:
            _process[made.name] = made
        else:
            scope.functions.append((made, place))
        return made

    return register


def _broken(mistakes: tuple[DefinitionError, ...]) -> Callable[[Columnar], Function]:
    return lambda call: Function("broken", Null, call, (0, None))


_function.__name__ = "function"
function = declaring(_function, _broken)


def known_functions() -> Mapping[str, Function]:
    """The functions that an expression may call now: of the load under way, else of this process."""
    scope = current_scope()
    return dict(_process) if scope is None else {f.name: f for f, _ in scope.functions}


__all__ = ["Function", "function", "known_functions"]
