"""Point-in-time values: the window formula over events themselves, apart from panes and their algebras.

For each asked (entity, instant) the events in the window are found by two searches and aggregated by Polars. It is
the plain way, made for tests, checks and modest spines: its work is the number of (asked, event) pairs, which is
bounded by chunks, not avoided.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.aggregates.partials import Partials
from headrace.aggregates.results import averaged_decimals
from headrace.aggregates.values import halves
from headrace.offline.sessions import bounds, counted
from headrace.panes.features import Part
from headrace.plan.view import ViewPlan
from headrace.types import FLOATS, Decimal, is_numeric
from headrace.windows import BEGINNING, end_of, start_of

PAIRS = 4_000_000  # (asked, event) pairs aggregated at once

Ints = NDArray[np.int64]


def point_in_time(
    plan: ViewPlan, rows: pl.DataFrame, asked: pl.DataFrame, *, strict: bool = False
) -> pl.DataFrame:
    """The view's features for each row of `asked`, in its order: a typed column a feature.

    `rows` are all projected rows of the view; `asked` has ``_key`` (String, null: no entity) and ``_at``
    (Int64 microseconds, the T of the row). Events at the very instant count, unless `strict`.
    """
    number = pl.concat([rows["_key"], asked["_key"]]).rank("dense").fill_null(0).cast(pl.Int64)
    sorted_rows = rows.with_columns(number[: len(rows)].alias("_entity")).sort(
        "_entity", "_event_time", "_order"
    )
    events = _Events(sorted_rows["_entity"].to_numpy(), sorted_rows["_event_time"].to_numpy())
    who, at = number[len(rows) :].to_numpy(), asked["_at"].to_numpy()
    known = events.before(who, at if strict else at + 1)
    first = _chain(events, known, at, plan.ttl) if plan.ttl is not None else events.before(who, BEGINNING)
    newest_chain = np.append(events.time, BEGINNING)[first]
    out = []
    for feature in plan.computed:
        values, given = [], np.ones(len(asked), "?")
        for part in feature.parts:
            if part.over.kind == "session":
                mine = counted(sorted_rows, part.over, plan.lateness)
                its = _Events(mine["_entity"].to_numpy(), mine["_event_time"].to_numpy())
                low = np.where(first < known, its.before(who, newest_chain), 0)
                high = np.where(first < known, its.before(who, at if strict else at + 1), 0)
                low, high = bounds(part.over, its.entity, its.time, low, high, at, plan.lateness)
                value, given = _aggregated(part, mine, low, high, at)
                values.append(value)
                continue
            low = np.maximum(first, events.before(who, start_of(part.over, at, plan.lateness)))
            high = np.minimum(known, events.before(who, end_of(part.over, at, plan.lateness)))
            value, given = _aggregated(part, sorted_rows, low, np.maximum(low, high), at)
            values.append(value)
        out.append(feature.shown(values, given))
    return pl.DataFrame(out)


class _Events:
    """Events sorted by (entity number, time), to search in."""

    def __init__(self, entity: Ints, time: Ints) -> None:
        self.entity, self.time = entity, time
        self.numbers, self.starts = np.unique(entity, return_index=True)
        self.ends = np.append(self.starts[1:], len(entity))

    def before(self, entity: Ints, time: Ints | int) -> Ints:
        """For each (entity, time): where its events at or after that time begin."""
        if len(self.numbers) == 0:
            return np.zeros(len(entity), "i8")
        at = np.minimum(np.searchsorted(self.numbers, entity), len(self.numbers) - 1)
        known = self.numbers[at] == entity
        low = np.where(known, self.starts[at], 0)
        high = np.where(known, self.ends[at], 0)
        wanted = np.broadcast_to(time, entity.shape)
        while (low < high).any():  # one binary search for all at once
            middle = (low + high) // 2
            probe = self.time[np.minimum(middle, len(self.time) - 1)]
            right = (low < high) & (probe < wanted)
            low, high = np.where(right, middle + 1, low), np.where(right | (low >= high), high, middle)
        return low


def _chain(events: _Events, known: Ints, at: Ints, ttl: int) -> Ints:
    """Where the events begin that still count: after the last gap of a ttl, and none if the ttl has ended."""
    n = len(events.time)
    begins = np.zeros(n + 1, "?")
    begins[events.starts] = True
    begins[1:n] |= np.diff(events.time) >= ttl
    start = np.maximum.accumulate(np.where(begins, np.arange(n + 1), 0))
    newest = np.maximum(known - 1, 0)
    if n == 0:
        return known
    over = events.time[newest] + ttl <= at
    return np.where((known == 0) | over, known, start[newest])


def _aggregated(
    part: Part, rows: pl.DataFrame, low: Ints, high: Ints, at: Ints
) -> tuple[pl.Series, NDArray[np.bool_]]:
    """The part's value over rows ``low <= i < high`` of each asked row; and which have a value among them."""
    counts = high - low
    bounds = [0, *np.flatnonzero(np.diff(np.cumsum(counts) // PAIRS)).tolist(), len(counts)]
    frames = [_chunk(part, rows, low[a:b], counts[a:b], at[a:b]) for a, b in pairwise(bounds) if b > a]
    if not frames:
        return pl.Series([], dtype=part.compiled.type.polars), np.zeros(0, "?")
    frame = pl.concat(frames)
    return frame["v"], frame["n"].to_numpy() > 0


def _chunk(part: Part, rows: pl.DataFrame, low: Ints, counts: Ints, at: Ints) -> pl.DataFrame:
    ends = np.cumsum(counts)
    index = np.repeat(low - (ends - counts), counts) + np.arange(int(counts.sum()))
    asked = np.repeat(np.arange(len(counts)), counts)
    column = pl.Series("x", [True], dtype=pl.Boolean).new_from_index(0, len(index))
    if part.input is not None:
        column = rows[part.input].gather(index).alias("x")
    pairs = pl.DataFrame([pl.Series("_asked", asked), column])
    if part.compiled.decay is not None:
        step = part.compiled.decay.step
        age = (at // step * step)[asked] - rows["_event_time"].to_numpy()[index]
        pairs = pairs.with_columns(pl.Series("age", np.maximum(age, 0)))
    present = pairs.filter(pl.col("x").is_not_null())
    found = present.group_by("_asked", maintain_order=True).agg(
        _expression(part).alias("v"), pl.len().alias("n")
    )
    if part.function == "top_k":
        found = _most_frequent(part, present, found)
    every = pl.DataFrame({"_asked": np.arange(len(counts))})
    frame = every.join(found, on="_asked", how="left", maintain_order="left")
    value = frame["v"]
    if part.function == "avg" and isinstance(part.over_type, Decimal):
        value = _decimal_mean(part, frame)
    if part.compiled.empty == []:
        value = value.cast(part.compiled.type.polars)
        nothing = pl.Series([[]], dtype=value.dtype).new_from_index(0, len(value))
        value = value.zip_with(value.is_not_null(), nothing)
    elif part.compiled.empty is not None:
        value = value.fill_null(pl.Series([part.compiled.empty]).cast(value.dtype)[0])
    return pl.DataFrame({"v": value.cast(part.compiled.type.polars), "n": frame["n"].fill_null(0)})


def _expression(part: Part) -> pl.Expr:
    x, type = pl.col("x"), part.over_type
    match part.function:
        case "count" | "count_if":
            return pl.len().cast(pl.Int64)
        case "sum" | "avg" if isinstance(type, Decimal):
            return x.cast(pl.Decimal(38, type.scale)).sum()
        case "sum" if type in FLOATS:
            return x.cast(pl.Float64).sum()
        case "sum":
            return x.cast(pl.Int128).sum().clip(-(2**63), 2**63 - 1).cast(pl.Int64)
        case "avg" if is_numeric(type):
            return x.cast(pl.Float64).mean()
        case "min":
            return x.min()
        case "max":
            return x.nan_max() if type in FLOATS else x.max()
        case "any":
            return x.any()
        case "all":
            return x.all()
        case "first":
            return x.first()
        case "latest":
            return x.last()
        case "stddev" | "variance":
            ddof = 0 if dict(part.options).get("population") else 1
            y = x.cast(pl.Float64)
            return y.std(ddof=ddof) if part.function == "stddev" else y.var(ddof=ddof)
        case "last_n":
            return x.tail(_number(part, "n")).reverse()
        case "first_n":
            return x.head(_number(part, "n")).reverse()
        case "count_distinct":
            return x.n_unique().cast(pl.Int64)
        case "quantile" | "median":
            q = float(str(dict(part.options).get("q", 0.5)))
            rank = (q * pl.len() - 1e-9 * pl.len()).ceil().cast(pl.Int64).clip(1)
            return x.cast(pl.Float64).sort().get(rank - 1)
        case "top_k":
            return pl.lit(None)
        case "decayed_sum":
            return (x.cast(pl.Float64) * 0.5 ** (pl.col("age") / _number(part, "half_life"))).sum()
    raise NotImplementedError(part.function)


def _number(part: Part, option: str) -> int:
    return int(str(dict(part.options)[option]))


def _most_frequent(part: Part, present: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    counts = present.group_by("_asked", "x").len().sort("_asked", "len", "x", descending=[False, True, False])
    top = counts.group_by("_asked", maintain_order=True).agg(pl.col("x").head(_number(part, "k")).alias("v"))
    return found.drop("v").join(top, on="_asked", how="left", maintain_order="left")


def _decimal_mean(part: Part, frame: pl.DataFrame) -> pl.Series:
    low, high = halves(frame["v"].fill_null(0))
    limb = np.int64(2**32 - 1)
    words = (high >> 32, high & limb, (low >> 32) & limb, low & limb)
    n = frame["n"].fill_null(0).cast(pl.Int64).to_numpy()
    type = part.compiled.type
    assert isinstance(type, Decimal)
    assert isinstance(part.over_type, Decimal)
    parts = [Partials(n > 0, words), Partials(n > 0, (n,))]
    return averaged_decimals(type, part.over_type.scale)(parts)[0]
