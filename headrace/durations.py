"""Time at the door: durations and instants are parsed here once and are integer microseconds (UTC) inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

MICROSECOND = 1
MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY


class WrongValueError(ValueError):
    """A value that is none of its kind: what was expected, what came, and perhaps the fix."""

    def __init__(self, message: str, *, expected: str, got: str, hint: str | None = None) -> None:
        super().__init__(f"{message}; expected {expected}; got {got}" + (f". {hint}" if hint else ""))
        self.message, self.expected, self.got, self.hint = message, expected, got, hint


_UNITS = {"us": MICROSECOND, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")


def parse_duration(value: str | timedelta) -> int:
    """Microseconds of ``"48h"``, ``"1h30m"``, ``"100ms"`` (units us ms s m h d w) or of a timedelta.

    Raises ValueError, with what was expected, for anything else; zero and positive only.
    """
    if isinstance(value, timedelta):
        us = round(value / timedelta(microseconds=1))
        if us < 0:
            raise WrongValueError("a duration is not negative", expected="zero or more", got=str(value))
        return us
    text = value.strip().lower() if isinstance(value, str) else ""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise WrongValueError(
            "a duration is a number and a unit",
            expected="a text such as '48h' or '1h30m' (us ms s m h d w)",
            got=repr(value),
        )
    return round(sum(float(n) * _UNITS[u] for n, u in parts))


def format_duration(us: int) -> str:
    """The shortest exact text that `parse_duration` reads back: ``172800000000`` is ``2d``; 0 is ``0s``."""
    if us == 0:
        return "0s"
    out = []
    for unit in ("d", "h", "m", "s", "ms", "us"):
        n, us = divmod(us, _UNITS[unit])
        if n:
            out.append(f"{n}{unit}")
    return "".join(out)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(value: str | datetime) -> int:
    """Microseconds since the Unix epoch of an ISO 8601 text or datetime; without a zone it is UTC."""
    try:
        dt = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"an instant is ISO 8601, such as '2026-01-01T00:00:00Z', not {value!r}") from None
    if not isinstance(dt, datetime):
        raise ValueError(f"an instant is ISO 8601 text or a datetime, not {value!r}")
    dt = dt.replace(tzinfo=UTC) if dt.tzinfo is None else dt
    return (dt - _EPOCH) // timedelta(microseconds=1)


def format_instant(us: int) -> str:
    """``2026-11-21T07:40:00.123456Z``: the timestamp form of the online store. Years 1 to 9999."""
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
