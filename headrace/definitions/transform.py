"""`transform`: a function over whole frames inside a view; `function`: one that expressions call by name.

Both are the ways out of SQL into Python, and both are vectorised: neither is ever called for a single row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from headrace.definitions import rules
from headrace.declaring import Definition, current_scope, declaring, place_of
from headrace.errors import DefinitionError, Place
from headrace.types import DataType

FRAMES = ("polars", "pandas")


@dataclass(frozen=True)
class Transform:
    """A row-wise function from frame to frame that may drop rows.

    `adds` are the columns it makes, typed; `drops` those that it takes away. `frame` says which library's
    frames it takes and gives: ``"polars"`` or ``"pandas"``.
    """

    fn: Callable[[Any], Any]
    adds: Mapping[str, DataType] = field(default_factory=dict)
    drops: tuple[str, ...] = ()
    frame: str = "polars"
    place: Place = field(default=Place(), compare=False, repr=False)
    mistakes: tuple[DefinitionError, ...] = field(default=(), compare=False, repr=False)

    @property
    def name(self) -> str:
        """The function's own name."""
        return getattr(self.fn, "__name__", type(self.fn).__name__)


def _transform(
    fn: Callable[[Any], Any],
    adds: Mapping[str, DataType] = {},  # noqa: B006 - never changed
    drops: Sequence[str] = (),
    *,
    frame: str | None = None,
) -> Transform:
    """A row-wise function over frames, `fn(frame) -> frame`, with the columns it `adds` and `drops`.

    The frame is Polars', or pandas' where the parameter is annotated so or ``frame="pandas"`` is said.
    """
    if not callable(fn):
        raise DefinitionError(
            "transform() takes a function",
            field="fn",
            expected="a function from frame to frame",
            got=repr(fn),
        )
    if frame is not None and frame not in FRAMES:
        raise DefinitionError(
            "unknown frame", field="frame", expected="'polars' or 'pandas'", got=repr(frame)
        )
    if not isinstance(adds, Mapping):
        raise DefinitionError(
            "adds is not a mapping", field="adds", expected="such as adds={'is_big': hr.Bool}", got=repr(adds)
        )
    if isinstance(drops, str) or not all(isinstance(d, str) for d in drops):
        raise DefinitionError(
            "drops is a list of columns", field="drops", expected="such as drops=['raw']", got=repr(drops)
        )
    place = place_of(inspect.currentframe())
    return Transform(fn, dict(adds), tuple(drops), frame or _frame_of(fn), place)


_transform.__name__ = "transform"
transform = declaring(_transform, lambda mistakes: Transform(lambda frame: frame, mistakes=mistakes))


def _frame_of(fn: Callable[..., Any]) -> str:
    """The library of the first parameter's annotation, without evaluating it; Polars where it has none."""
    hints = [v for k, v in getattr(fn, "__annotations__", {}).items() if k != "return"]
    if not hints:
        return "polars"
    told = hints[0] if isinstance(hints[0], str) else getattr(hints[0], "__module__", "")
    return "pandas" if told.split(".")[0] in ("pandas", "pd") else "polars"


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Function(Definition):
    """A Python function that expressions call by its name: Polars series in, one series of `returns` out."""

    fn: Callable[..., pl.Series]
    returns: DataType
    arity: tuple[int, int | None]

    def __init__(self, name: str, fn: Callable[..., pl.Series], returns: DataType) -> None:
        m = self._mistakes
        self._set(name=rules.column_name(name, m, field="name", what="a function's name"), fn=fn)
        self._set(returns=rules.data_type(returns, m, field="returns"), arity=_arity(fn))
        self._set(description=inspect.getdoc(fn) or "", owner="", tags={})

    def __call__(self, *args: pl.Series) -> pl.Series:
        return self.fn(*args)


def _arity(fn: Callable[..., Any]) -> tuple[int, int | None]:
    """The fewest and the most arguments by position; None: no limit."""
    parameters = list(inspect.signature(fn).parameters.values())
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in places)
    return least, None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(places)


_notebook: dict[str, Function] = {}


def _function(
    returns: DataType, *, name: str | None = None
) -> Callable[[Callable[..., pl.Series]], Function]:
    """Register a vectorised function for expressions: ``@hr.function(returns=hr.Float64)``."""
    if not isinstance(returns, DataType):
        raise DefinitionError(
            "function() needs the type that it returns",
            field="returns",
            expected="@hr.function(returns=hr.Float64)",
            got=f"`{returns.__name__}`" if callable(returns) else repr(returns),
        )

    def register(fn: Callable[..., pl.Series]) -> Function:
        made = Function(name or fn.__name__, fn, returns)
        if current_scope() is None:
            _notebook[made.name.lower()] = made
        return made

    return register


_function.__name__ = "function"
function = declaring(_function, lambda mistakes: lambda fn: fn)  # type: ignore[arg-type, return-value]


def known_functions() -> dict[str, Function]:
    """The functions that an expression may call now: of the load under way, else of this process."""
    scope = current_scope()
    if scope is None:
        return dict(_notebook)
    return {d.name.lower(): d for d in scope.declared if isinstance(d, Function) and not d.broken}
