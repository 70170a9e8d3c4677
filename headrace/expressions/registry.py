"""The one list of functions and operators: names, parameters, result types and how each is compiled.

Each module of `functions` and `operators` adds its own with the decorators below. Owns their arity and
parameters; knows no function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import polars as pl

from headrace.expressions.coercion import Parameter
from headrace.types import DataType

if TYPE_CHECKING:
    from headrace.expressions.value import Value

Build = TypeVar("Build", bound=Callable[..., Any])
Typed: TypeAlias = tuple[DataType, pl.Expr]
Rule: TypeAlias = Callable[[Sequence["Value"]], DataType]


@dataclass(frozen=True)
class Operation:
    """A function or operator.

    `build` takes the arguments, cast to `params`, and gives an expression of type `returns` (a type or a rule
    over the arguments); with `returns` None it gives the type too. `required` to `most` arguments are taken
    (`most` None: any number, the last parameter repeated). A `raw` operation casts its arguments itself and
    is given the binder; a `syntactic` one is given the syntax, for lambdas and the like.
    """

    names: tuple[str, ...]
    group: str
    params: tuple[Parameter, ...]
    required: int
    most: int | None
    returns: DataType | Rule | None
    build: Callable[..., Any]
    result: str
    raw: bool = False
    syntactic: bool = False
    by_value: bool = False
    operator: bool = False
    deterministic: bool = True
    notes: str = ""

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def arity(self) -> str:
        if self.most is None:
            return f"{self.required} or more"
        return str(self.required) if self.required == self.most else f"{self.required} to {self.most}"

    def parameter(self, i: int) -> Parameter:
        return self.params[min(i, len(self.params) - 1)]


_OPERATIONS: dict[str, Operation] = {}


def operations() -> Mapping[str, Operation]:
    """Every operation by each of its names, lower case."""
    return _OPERATIONS


def operation(
    *names: str,
    group: str,
    params: Sequence[Parameter] = (),
    optional: int = 0,
    variadic: bool = False,
    arity: tuple[int, int | None] | None = None,
    returns: DataType | Rule | None = None,
    result: str | None = None,
    raw: bool = False,
    syntactic: bool = False,
    by_value: bool = False,
    operator: bool = False,
    deterministic: bool = True,
    notes: str = "",
) -> Callable[[Build], Build]:
    """Registers the decorated function as the compiler of `names`."""

    def add(build: Build) -> Build:
        required, most = arity or (len(params) - optional, None if variadic else len(params))
        text = result or (returns.spark if isinstance(returns, DataType) else "as its argument")
        one = Operation(
            names,
            group,
            tuple(params),
            required,
            most,
            returns,
            build,
            text,
            raw,
            syntactic,
            by_value,
            operator,
            deterministic,
            notes,
        )
        for name in names:
            assert name not in _OPERATIONS, name
            _OPERATIONS[name] = one
        return build

    return add
