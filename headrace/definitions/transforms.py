"""`transform`: the way out of SQL into Python inside a view, over whole frames and never a single row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.declaring import declaring, place_of
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
    adds: Mapping[str, DataType] = {},
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
