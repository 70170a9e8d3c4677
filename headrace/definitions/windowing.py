"""The window constructors as definitions call them: wrong sizes teach, and inside a load they are collected.

Owns nothing of what a window means: that is `headrace.windows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace import windows
from headrace.declaring import declaring
from headrace.errors import DefinitionError
from headrace.windows import Window


@dataclass(frozen=True)
class BrokenWindow(Window):
    """What a wrong window call gives inside a load."""

    mistakes: tuple[DefinitionError, ...] = field(default=(), compare=False, repr=False)


def _broken(mistakes: tuple[DefinitionError, ...]) -> Window:
    return BrokenWindow("lifetime", mistakes=mistakes)


tumbling = declaring(windows.tumbling, _broken)
hopping = declaring(windows.hopping, _broken)
rolling = declaring(windows.rolling, _broken)
session = declaring(windows.session, _broken)
lifetime = declaring(windows.lifetime, _broken)
