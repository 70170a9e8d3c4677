"""What the values must be: plain Python over lists of events, next to spec section 3. Shares no code with Headrace.

Times are microseconds since the epoch. A window is a function of T that gives (start, end).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Event = Mapping[str, Any]
Window = Callable[[int], tuple[float, float]]
Covered = Callable[[Window], list[Event]]


def instant(text: str) -> int:
    """Microseconds of an ISO text."""
    return micros(datetime.fromisoformat(text))


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def at(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def hopping(size: int, step: int) -> Window:
    """`end = floor(T, step) + step`; rolling windows too, with their step."""
    return lambda t: (t // step * step + step - size, t // step * step + step)


def closed(size: int, step: int, lateness: int) -> Window:
    """The last one that is complete."""
    return lambda t: ((t - lateness) // step * step - size, (t - lateness) // step * step)


def lifetime(t: int) -> tuple[float, float]:
    return -math.inf, math.inf


def covered(events: Iterable[tuple[int, Event]], t: int, window: Window) -> list[Event]:
    """Events, given as (event time, columns) in order, with start <= time < end and time <= T."""
    start, end = window(t)
    return [e for time, e in events if start <= time < end and time <= t]


def mean(xs: list[float]) -> float | None:
    return math.fsum(xs) / len(xs) if xs else None


def deviation(xs: list[float]) -> float | None:
    """The sample's standard deviation."""
    if len(xs) < 2:
        return None
    middle = math.fsum(xs) / len(xs)
    return math.sqrt(math.fsum((x - middle) ** 2 for x in xs) / (len(xs) - 1))


def share(a: int, b: int) -> float | None:
    return a / b if b else None


def differences(
    expected: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Where Redis differs from what was recomputed, one line each; no line if all is right."""
    lines = [f"{key}: not in Redis" for key in expected.keys() - found.keys()]
    lines += [f"{key}: in Redis, should not be" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        features, texts = expected[key], found[key]
        lines += [f"{key}.{name}: unknown" for name in texts.keys() - features.keys()]
        for name, value in features.items():
            if not same(value, texts.get(name)):
                lines.append(f"{key}.{name}: expected {value!r}, Redis has {texts.get(name)!r}")
    return sorted(lines)


def same(value: Any, text: str | None) -> bool:
    """Whether a text of Redis (spec, section 5) says this value."""
    if value is None or text is None:
        return value is None and text is None
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, float):
        got = float(text)
        return math.isclose(got, value, rel_tol=1e-9, abs_tol=1e-9) or (got != got and value != value)
    if isinstance(value, datetime):
        return datetime.fromisoformat(text) == value
    if isinstance(value, date):
        return text == value.isoformat()
    if isinstance(value, int | str | Decimal):
        return text == str(value)
    raise TypeError(f"no text is known for {value!r}")
