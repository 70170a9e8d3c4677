"""An aggregate as declared: a function over an expression over a window. A value, without behaviour.

Owns its shape, its words and what is common to all constructors. Knows no schema, no state and no arithmetic.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

from headrace.declaring import place_of
from headrace.durations import format_duration
from headrace.errors import DefinitionError, Place
from headrace.types import DataType
from headrace.windows import Window, as_window


class Unset:
    """The type of `UNSET`: not given, where None is a value."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset()

Over: TypeAlias = str | timedelta | Window
"""A window, or a duration, which is short for ``rolling(duration)``."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregate over one window, as declared. Equal when they mean the same, wherever they stand.

    `default` is the value in place of the one over no events, or UNSET. `type` is a stated type to which
    the value is cast as Spark casts, or None. `options` are what a function has of its own, by name:
    `population` (bool), `n`, `k` (int), `q` (float), `half_life` (microseconds). `parts` are the two
    aggregates of a ratio; a ratio alone has no window of its own.
    """

    function: str
    expr: str | None = None
    over: Window | None = None
    where: str | None = None
    default: object = UNSET
    description: str = ""
    type: DataType | None = None
    options: tuple[tuple[str, object], ...] = ()
    parts: tuple[Aggregate, ...] = ()
    place: Place = field(default=Place(), compare=False, repr=False)
    mistakes: tuple[DefinitionError, ...] = field(default=(), compare=False, repr=False)

    @property
    def broken(self) -> bool:
        """Whether it was declared with a mistake, which happens inside a load only."""
        return bool(self.mistakes)

    def option(self, name: str, default: object = None) -> object:
        """The option `name`, or `default` where the function has no such option."""
        return dict(self.options).get(name, default)

    def __str__(self) -> str:
        """``sum(eur) over rolling('2d') where abroad``."""
        return self._said(with_window=True)

    @property
    def value(self) -> str:
        """The same without its windows: ``sum(eur) where abroad``."""
        return self._said(with_window=False)

    def _said(self, *, with_window: bool) -> str:
        inside = [self.expr] if self.expr else [p._said(with_window=with_window) for p in self.parts]
        inside += [str(v) for k, v in self.options if k in ("n", "k", "q")]
        inside += [format_duration(int(str(v))) for k, v in self.options if k == "half_life"]
        over = f" over {self.over}" if with_window and self.over is not None else ""
        where = "" if self.where is None else f" where {self.where}"
        return f"{self.function}({', '.join(inside)}){over}{where}"


def make(
    function: str,
    expr: str | None,
    over: Over,
    where: str | None,
    default: object,
    description: str,
    type: DataType | None,
    **options: object,
) -> Aggregate:
    """An aggregate from what a constructor was given. Raises DefinitionError or ValueError for what is unfit."""
    for name, text in (("expr", expr), ("where", where)):
        if text is not None and not (isinstance(text, str) and text.strip()):
            raise DefinitionError(
                f"{function}() takes its {name} as a SQL expression",
                field=name,
                expected="a string such as 'amount * 2'",
                got=repr(text),
            )
    if type is not None and not isinstance(type, DataType):
        raise DefinitionError(
            f"{function}() takes a type of Headrace",
            field="type",
            expected="a type such as hr.Int64",
            got=f"`{type.__name__}`" if callable(type) else repr(type),
        )
    window = as_window(over)
    return Aggregate(
        function,
        expr,
        window,
        where,
        default,
        description,
        type,
        tuple(options.items()),
        place=place_of(sys._getframe(1)),
        mistakes=tuple(getattr(window, "mistakes", ())),
    )


def at_least_one(function: str, name: str, value: object) -> int:
    """A count that an aggregate takes. Raises DefinitionError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DefinitionError(
            f"{function}() takes a whole number `{name}`",
            field=name,
            expected="1 or more",
            got=repr(value),
        )
    return value
