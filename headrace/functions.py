"""Python functions that expressions may call by name.

    @hr.function(returns=hr.Float64)
    def bucketed(amount: pl.Series) -> pl.Series:
        return amount.log1p().round(1)

and then ``"bucketed(amount) * 2"`` in any expression of the project. Owns the wrapping and the checks of what
comes back; knows no SQL.

A function must be row-wise: row i of its result may depend on row i of its arguments only, since batches are
cut anywhere. It must give the same for the same arguments, since events are replayed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from headrace.errors import DefinitionError, UsageError
from headrace.types import DataType

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class Function:
    """A vectorised function: as many Polars series in as it has arguments, one series of the same length out.

    `arity` is the least and the most number of arguments (None: any number).
    """

    name: str
    returns: DataType
    call: Callable[..., object]
    arity: tuple[int, int | None]

    def __call__(self, *columns: pl.Series) -> pl.Series:
        """The result for whole columns. Raises UsageError where it is of another length or type."""
        out = self.call(*columns)
        height = len(columns[0]) if columns else 0
        series = out if isinstance(out, pl.Series) else pl.Series(values=out)  # type: ignore[arg-type]
        if len(series) != height:
            raise UsageError(
                f"function `{self.name}` must give one value for each row: expected {height}, got {len(series)}"
            )
        try:
            return series.cast(self.returns.polars)
        except pl.exceptions.PolarsError as error:
            raise UsageError(
                f"function `{self.name}` must give {self.returns}, got {series.dtype}: {error}"
            ) from error

    def over(self, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """This function as a Polars expression over `arguments`."""

        def run(columns: Sequence[pl.Series]) -> pl.Series:
            lengths = {len(c) for c in columns} - {1}
            height = lengths.pop() if lengths else 1
            return self(*(c.new_from_index(0, height) if len(c) != height else c for c in columns))

        return pl.map_batches(list(arguments), run, return_dtype=self.returns.polars)


def function(*, returns: DataType, name: str | None = None) -> Callable[[Callable[..., object]], Function]:
    """Makes a Python function over Polars series callable from expressions, under its own name or `name`.

    Raises DefinitionError if it cannot be called by position, takes no argument, has the name of a built-in
    function, or `returns` is no type.
    """
    if not isinstance(returns, DataType):
        raise DefinitionError(
            "the result type of a function must be a Headrace type",
            expected="returns=hr.Float64",
            got=repr(returns),
        )

    def wrap(call: Callable[..., object]) -> Function:
        called = name or str(getattr(call, "__name__", ""))
        if not NAME.fullmatch(called):
            raise DefinitionError(
                "a function needs a name that an expression can call", field=called, hint="Give it `name=`."
            )
        _refuse_built_in(called)
        return Function(called, returns, call, _arity(called, call))

    return wrap


def _refuse_built_in(name: str) -> None:
    from headrace.expressions.catalogue import is_built_in  # expressions import this module

    if is_built_in(name):
        raise DefinitionError(
            f"`{name}` is a function of Spark SQL already", hint="Give yours another name: `name='my_...'`."
        )


def _arity(name: str, call: Callable[..., object]) -> tuple[int, int | None]:
    least = most = 0
    unbounded = False
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind == parameter.VAR_POSITIONAL:
            unbounded = True
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += parameter.default is parameter.empty
        elif parameter.kind == parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise DefinitionError(
                f"function `{name}` has the keyword argument `{parameter.name}` without a default",
                hint="An expression gives arguments by position only.",
            )
    if not most and not unbounded:
        raise DefinitionError(f"function `{name}` takes no column", hint="Give it at least one argument.")
    return max(least, 1), None if unbounded else most


__all__ = ["Function", "function"]
