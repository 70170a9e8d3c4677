"""The meaning of a view, in plain Python, next to spec sections 3 and 4. Slow and obviously right.

Shares no code with the engine but the choice of a rolling window's step: events are dicts, windows are lists of
them, numbers are exact where they should be. What an expression means is given by the test (`values`: text ->
function of a row).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

from headrace.windows import rolling, step_of

Row = Mapping[str, Any]
SECOND = 1_000_000
NAN = ("NaN",)
EMPTY = {"count": 0, "count_if": 0, "sum": 0, "any": False, "all": True}
EMPTY |= {"last_n": [], "first_n": [], "top_k": [], "count_distinct": 0, "decayed_sum": 0.0}
EXACT = Context(prec=120, rounding=ROUND_HALF_UP)


def floor(t: int, step: int, offset: int) -> int:
    return (t - offset) // step * step + offset


def bounds(over: Any, t: int, lateness: int) -> tuple[float, float]:
    """(start, end) as of t."""
    if over.kind == "lifetime":
        return -math.inf, math.inf
    step = step_of(over)
    end = floor(t, step, over.offset) + step
    if over.closed:
        end = floor(t - lateness, step, over.offset)
    return end - over.size, end


def select(
    events: list[Row],
    aggregate: Any,
    t: int,
    lateness: int,
    values: Mapping[str, Callable],
    later: bool = False,
) -> list[Any]:
    """The values that the aggregate covers as of t, by (event time, order); nulls are skipped."""
    return [x for _, x in timed(events, aggregate, t, lateness, values, later)]


def timed(
    events: list[Row],
    aggregate: Any,
    t: int,
    lateness: int,
    values: Mapping[str, Callable],
    later: bool = False,
) -> list[tuple[int, Any]]:
    """The same with their event times.

    With `later`, those of a closed window that it does not cover yet.
    """
    out = []
    for row in covered(events, aggregate.over, t, lateness, later):
        if aggregate.where is not None and values[aggregate.where](row) is not True:
            continue
        value = True if aggregate.expr is None else values[aggregate.expr](row)
        if value is not None and (aggregate.function != "count_if" or value):
            out.append((row["t"], value))
    return out


def without_copies(events: list[Row], dedup: int | None) -> list[Row]:
    """Events in the order they came, without those of an id that came less than `dedup` before, by their records."""
    first: dict[Any, int] = {}
    out = []
    for row in events:
        key = (row["place"], row["id"])
        if dedup is not None and row["id"] is not None:
            if key in first and abs(record(row) - first[key]) < dedup:
                continue
            first[key] = record(row)
        out.append(row)
    return out


def remembered(events: list[Row], dedup: int | None, lateness: int) -> bool:
    """Whether every copy among these comes while its id is known for certain: an id may be forgotten once records of
    its place are `dedup` and `lateness` beyond its first event's."""
    first: dict[Any, int] = {}
    newest: dict[Any, int] = {}
    for row in events:
        place, at = row["place"], record(row)
        key = (place, row["id"])
        newest[place] = max(newest.get(place, at), at)
        if dedup is not None and row["id"] is not None:
            if key in first and abs(at - first[key]) < dedup:
                if newest[place] >= first[key] + dedup + lateness:
                    return False
            else:
                first[key] = at
    return True


def covered(events: list[Row], over: Any, t: int, lateness: int, later: bool) -> list[Row]:
    """The events in the window as of t, by (event time, order)."""
    events = [r for r in sorted(events, key=lambda r: (r["t"], r["order"])) if r["t"] <= t]
    if over.kind == "session":
        return session(sessions(events, over.gap, lateness), over, t, lateness, later)
    start, end = bounds(over, t, lateness)
    if later:
        start, end = end, math.inf
    return [r for r in events if start <= r["t"] < end]


def record(row: Row) -> int:
    """The timestamp of the event's record (`now`), or its event time where the record has none."""
    return row["now"] if row["now"] >= 0 else row["t"]


def sessions(events: list[Row], gap: int, lateness: int) -> list[list[Row]]:
    """The maximal runs of sorted events less than a gap apart, without those too late for their record."""
    out: list[list[Row]] = []
    for row in events:
        if row["t"] < record(row) - (gap + lateness):
            continue
        if out and row["t"] - out[-1][-1]["t"] < gap:
            out[-1].append(row)
        else:
            out.append([row])
    return out


def session(found: list[list[Row]], over: Any, t: int, lateness: int, later: bool) -> list[Row]:
    """The session that t falls in, or the last that has ended for good; `later`: one that has not, if closed."""
    if not over.closed:
        return found[-1] if found and not later and found[-1][-1]["t"] > t - over.gap else []
    ended = [s[-1]["t"] + over.gap + lateness <= t for s in found]
    if later:
        return next((s for s, e in zip(found, ended, strict=True) if not e), [])
    return found[sum(ended) - 1] if any(ended) else []


def compute(aggregate: Any, xs: list[Any]) -> Any:
    """The value over the covered values `xs`."""
    function, options = aggregate.function, dict(aggregate.options)
    if not xs:
        return EMPTY.get(function)
    if function in ("count", "count_if"):
        return len(xs)
    if function == "sum":
        if isinstance(xs[0], float):
            return plus(xs)
        total = exact_sum(xs)
        return max(-(2**63), min(2**63 - 1, total)) if isinstance(total, int) else total
    if function == "avg":
        if isinstance(xs[0], float):
            return plus(xs) / len(xs)
        if isinstance(xs[0], Decimal):
            unit = Decimal(1).scaleb(xs[0].as_tuple().exponent - 4)
            return EXACT.divide(exact_sum(xs), Decimal(len(xs))).quantize(unit, context=EXACT)
        return float(Fraction(sum(xs), len(xs)))
    if function in ("min", "max"):
        numbers = [x for x in xs if x == x]
        if function == "max":
            return max(numbers) if len(numbers) == len(xs) else math.nan
        return min(numbers) if numbers else math.nan
    if function == "first":
        return xs[0]
    if function == "latest":
        return xs[-1]
    if function == "last_n":
        return xs[::-1][: options["n"]]
    if function == "first_n":
        return xs[: options["n"]][::-1]
    if function == "count_distinct":
        return len(set(map(plain, xs)))
    if function in ("quantile", "median"):
        rank = max(1, math.ceil(Fraction(str(options.get("q", 0.5))) * len(xs)))
        return float(sorted(xs, key=in_order)[rank - 1])
    if function == "top_k":
        counts = Counter(map(plain, xs))
        ranked = sorted(counts, key=lambda x: (-counts[x], in_order(x)))
        return [math.nan if x == NAN else x for x in ranked[: options["k"]]]
    if function == "any":
        return any(xs)
    if function == "all":
        return all(xs)
    return deviation(aggregate, xs)


def plain(x: Any) -> Any:
    """What is counted as one: all NaN, and both zeros."""
    return NAN if x != x else x + 0.0 if isinstance(x, float) else x


def in_order(x: Any) -> Any:
    """NaN is larger than any number."""
    return (1, 0) if x == NAN or x != x else (0, x)


def decayed(aggregate: Any, rows: list[tuple[int, Any]], t: int) -> float:
    """Each value halves with every half-life between it and the last step at or before t."""
    half_life = dict(aggregate.options)["half_life"]
    now = floor(t, step_of(rolling(timedelta(microseconds=24 * half_life))), 0)
    return plus([float(x) * 0.5 ** (max(0, now - at) / half_life) for at, x in rows])


def exact_sum(xs: list[Any]) -> Any:
    return reduce(EXACT.add, xs) if isinstance(xs[0], Decimal) else sum(xs)


def deviation(aggregate: Any, xs: list[Any]) -> float | None:
    population = dict(aggregate.options)["population"]
    n = len(xs) if population else len(xs) - 1
    if n == 0:
        return None
    if any(not math.isfinite(x) for x in xs):
        return math.nan
    mean = sum(map(Fraction, xs)) / len(xs)
    variance = sum((Fraction(x) - mean) ** 2 for x in xs) / n
    return math.sqrt(variance) if aggregate.function == "stddev" else float(variance)


def plus(xs: list[float]) -> float:
    try:
        return math.fsum(xs)
    except (ValueError, OverflowError):  # infinities of both signs
        return sum(xs)


def feature(
    aggregate: Any, events: list[Row], t: int, lateness: int, values: Mapping[str, Callable]
) -> tuple[Any, bool]:
    """(the value, whether it covers any value)."""
    if aggregate.function == "ratio":
        (a, has_a), (b, has_b) = (feature(p, events, t, lateness, values) for p in aggregate.parts)
        value = None if a is None or b is None or b == 0 else over(float(a), float(b))
        return value, has_a or has_b
    rows = timed(events, aggregate, t, lateness, values)
    if aggregate.function == "decayed_sum":
        return decayed(aggregate, rows, t), bool(rows)
    return compute(aggregate, [x for _, x in rows]), bool(rows)


def over(a: float, b: float) -> float:
    return a / b


class Entity:
    """What is known of one entity: its events, and the T that never falls."""

    def __init__(self) -> None:
        self.events: list[Row] = []
        self.t = -math.inf
        self.over = False

    def apply(self, rows: list[Row], clock: float, ttl: int | None, *, fixed: bool = False) -> None:
        """A flush with these rows of the entity, at this clock. A fixed one hides what is over, and forgets nothing."""
        self.t = max([self.t, clock, *(r["t"] for r in rows)])
        self.events = sorted([*self.events, *rows], key=lambda r: (r["t"], r["order"]))
        if ttl is None:
            return
        for i in range(len(self.events) - 1, 0, -1):  # after a gap of a ttl it began anew
            if self.events[i]["t"] - self.events[i - 1]["t"] >= ttl:
                self.events = self.events[i:]
                break
        self.over = bool(self.events) and self.events[-1]["t"] + ttl <= self.t
        if self.over and not fixed:
            self.events = []

    def forget(
        self,
        view: Any,
        lateness: int,
        values: Mapping[str, Callable],
        clock: float,
        recorded: float = -math.inf,
    ) -> None:
        """An entity of which nothing counts, now or later, is removed from state, once the clock keeps its T.

        `recorded`: events still to come have, but for the lateness, no earlier record; sessions wait for that.
        """
        parts = [p for a in view.features.values() for p in a.parts or (a,)]
        alive = any(
            select(self.events, p, self.t, lateness, values, later)
            for p in parts
            if p.over.kind != "session"
            for later in (False, True)
        )
        for window in {p.over for p in parts if p.over.kind == "session"}:
            newest = sessions(self.events, window.gap, lateness)[-1:]
            ends = min(
                self.t - window.gap, recorded - 2 * (window.gap + lateness)
            )  # shown, or to be merged with
            alive |= any(window.closed or s[-1]["t"] > ends for s in newest)
        if not alive and self.t <= clock:
            self.events = []

    def features(self, view: Any, lateness: int, values: Mapping[str, Callable]) -> dict[str, Any] | None:
        """Each feature as of T, or None where none covers any value (then Redis has no key)."""
        if self.over:
            return None
        found = {n: feature(a, self.events, self.t, lateness, values) for n, a in view.features.items()}
        return {n: v for n, (v, _) in found.items()} if any(has for _, has in found.values()) else None
