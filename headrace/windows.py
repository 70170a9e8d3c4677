"""Windows: which events an aggregate covers as of an instant, by one formula on integers and arrays.

Owns the five kinds of window, the choice of a rolling window's step, and ``start <= t < end``. Knows
nothing of entities, events or state. Time is integer microseconds since the Unix epoch, UTC; `floor` is
towards minus infinity, so instants before 1970 are like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headrace.durations import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WrongValueError,
    format_duration,
    parse_duration,
)

Instants = TypeVar("Instants", int, NDArray[np.int64])

MAX_STEPS = 1440
STEPS = (DAY, 6 * HOUR, HOUR, 10 * MINUTE, MINUTE, 10 * SECOND, SECOND)  # a rolling window's, largest first
FEWEST = 24  # into how many steps a chosen step should divide the window, if one can

BEGINNING = -(2**63)  # before every instant: the start of a lifetime window
FOREVER = 2**63 - 1  # after every instant: its end


@dataclass(frozen=True)
class Window:
    """A window as declared; durations in microseconds. Made by the functions below.

    `size` is None for lifetime and session; `step` for a rolling window that leaves it to `step_of`, and
    for lifetime and session; `gap` is of sessions alone. `offset` shifts the floor.
    """

    kind: str
    size: int | None = None
    step: int | None = None
    gap: int | None = None
    closed: bool = False
    offset: int = 0

    def __str__(self) -> str:
        if self.kind == "lifetime":
            return "lifetime()"
        first = self.gap if self.kind == "session" else self.size
        text = [repr(format_duration(first or 0))]
        if self.step is not None and self.kind != "tumbling":
            text.append(f"step={format_duration(self.step)!r}")
        if self.closed:
            text.append("closed=True")
        if self.offset:
            text.append(f"offset={format_duration(self.offset)!r}")
        return f"{self.kind}({', '.join(text)})"


Duration = str | timedelta


def tumbling(size: Duration, *, closed: bool = False, offset: Duration = "0s") -> Window:
    """Windows of `size` side by side: the one that T falls in, or (`closed`) the last complete one."""
    us = _positive("size", size)
    return Window("tumbling", us, us, closed=closed, offset=_offset(offset, us))


def hopping(size: Duration, step: Duration, *, closed: bool = False, offset: Duration = "0s") -> Window:
    """Windows of `size` that begin every `step`: the newest that T falls in, or the last complete one."""
    us, by = _positive("size", size), _positive("step", step)
    _check_steps(us, by)
    return Window("hopping", us, by, closed=closed, offset=_offset(offset, by))


def rolling(size: Duration, step: Duration | None = None, *, offset: Duration = "0s") -> Window:
    """The last `size`, newest event included; its tail moves in steps (chosen by `step_of` if not given)."""
    us = _positive("size", size)
    by = None if step is None else _positive("step", step)
    if by is not None:
        _check_steps(us, by)
    shift = parse_duration(offset)
    return Window("rolling", us, by, offset=shift if by is None else shift % by)


def session(gap: Duration, *, closed: bool = False) -> Window:
    """The maximal run of events less than `gap` apart that T falls in, or (`closed`) the last ended one."""
    return Window("session", gap=_positive("gap", gap), closed=closed)


def lifetime() -> Window:
    """All events of the entity, ever (or since its `ttl` last ended)."""
    return Window("lifetime")


def as_window(value: str | timedelta | Window) -> Window:
    """The window itself; a duration is short for ``rolling(duration)``. ValueError for anything else."""
    if isinstance(value, Window):
        return value
    if isinstance(value, str | timedelta):
        return rolling(value)
    raise WrongValueError(
        "a window is of the wrong kind",
        expected="a duration such as '48h', or hr.tumbling('1h') and its like",
        got=repr(value),
    )


def step_of(window: Window, granularity: int | None = None) -> int:
    """By how much the window's ends move, in microseconds; 0 for lifetime and session, which have no step.

    A rolling window's step is its own, else `granularity`, else the largest of `STEPS` that divides the size
    into at least 24 steps, else the largest of them that divides it. Raises ValueError, saying what to do,
    if the step does not divide the size, or into more than 1,440 steps.
    """
    size, step = window.size, window.step
    if size is None:
        return 0
    if step is None:
        step = granularity or _chosen(size)
    _check_steps(size, step)
    return step


def end_of(window: Window, t: Instants, lateness: int = 0, granularity: int | None = None) -> Instants:
    """The end (exclusive) of the window as of the instant or instants `t`; FOREVER for lifetime."""
    if window.kind == "session":
        raise ValueError("the end of a session depends on its events")
    step = step_of(window, granularity)
    if step == 0:
        return t - t + FOREVER
    if window.closed:
        return (t - lateness - window.offset) // step * step + window.offset
    return (t - window.offset) // step * step + (step + window.offset)


def start_of(window: Window, t: Instants, lateness: int = 0, granularity: int | None = None) -> Instants:
    """The start (inclusive) of the window as of `t`; BEGINNING for lifetime."""
    if window.size is None:
        if window.kind == "session":
            raise ValueError("the start of a session depends on its events")
        return t - t + BEGINNING
    return end_of(window, t, lateness, granularity) - window.size


def _chosen(size: int) -> int:
    dividing = [s for s in STEPS if size % s == 0]
    if not dividing:
        raise WrongValueError(
            "no step from 1s to 1d divides this rolling window",
            expected="a whole number of seconds",
            got=format_duration(size),
            hint="Give a step that divides it with step=.",
        )
    return next((s for s in dividing if size // s >= FEWEST), dividing[0])


def _check_steps(size: int, step: int) -> None:
    if size % step:
        raise WrongValueError(
            f"a window of {format_duration(size)} is not a multiple of its step",
            expected=f"a step that divides {format_duration(size)}",
            got=format_duration(step),
            hint=f"{format_duration(math.gcd(size, step))} would do."
            if size // math.gcd(size, step) <= MAX_STEPS
            else None,
        )
    if size // step > MAX_STEPS:
        raise WrongValueError(
            f"a window of {format_duration(size)} has {size // step:,} steps, more than {MAX_STEPS:,}",
            expected=f"a step of at least {format_duration(-(-size // MAX_STEPS))}",
            got=format_duration(step),
        )


def _positive(name: str, value: Duration) -> int:
    us = parse_duration(value)
    if us == 0:
        raise WrongValueError(f"{name} is a duration above zero", expected="such as '1h'", got=repr(value))
    return us


def _offset(value: Duration, step: int) -> int:
    return parse_duration(value) % step
