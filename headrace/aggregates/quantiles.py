"""Quantiles: all values while they are few, a KLL sketch of Apache DataSketches from then on.

With k = 200 the rank of what is shown is within 1.33 % of the asked one (99 % of the time). NaN is larger than
any number: it is counted apart, since sketches have no place for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from datasketches import kll_doubles_sketch

from headrace.aggregates.algebra import Algebra, Rows, added, any_of, groups_of, present
from headrace.aggregates.lists import Items, pack_lists, unpack_lists
from headrace.aggregates.partials import Ints, Partials
from headrace.aggregates.results import Finish, Floats, Result

EXACT = 1000  # values kept as they are; one more makes them a sketch
K = 200

_SKETCH = -1  # in place of the number of values


@dataclass(frozen=True)
class Quantiles(Algebra):
    """Sorted values, or a sketch of them; the words are how many values (-1: a sketch) and how many NaN."""

    identity = (0, 0)
    blob = True

    def of_rows(self, values: pl.Series, rows: Rows) -> Partials:
        has = present(values)
        floats = np.asarray(values.cast(pl.Float64).fill_null(0.0).to_numpy(), "f8")
        nan = np.isnan(floats)
        plain = has & ~nan
        items = Items(np.flatnonzero(plain), (floats[plain].view("i8"),))
        return Partials(has, (plain.astype("i8"), nan.astype("i8")), pack_lists(items, len(has)))

    def merge(self, parts: Partials, starts: Ints) -> Partials:
        if len(starts) == len(parts):
            return parts
        assert parts.blob is not None
        n, group = len(starts), groups_of(starts, len(parts))
        sketched = parts.words[0] == _SKETCH
        plain = parts.take(~sketched) if sketched.any() else parts
        owner, values = _values(plain)
        owner = group[~sketched][owner]
        at = np.lexsort((values, owner))
        owner, values = owner[at], values[at]
        count = np.bincount(owner, minlength=n)
        large = count > EXACT
        large[group[sketched]] = True
        has, nan = any_of(parts.has, starts), added(parts.words[1], starts)
        if not large.any():
            return Partials(has, (count, nan), pack_lists(Items(owner, (values.view("i8"),)), n))
        few = ~large[owner]
        blob = pack_lists(Items(owner[few], (values[few].view("i8"),)), n)
        starting = np.cumsum(count) - count
        given: dict[int, list[bytes]] = {}
        for i, sketch in zip(group[sketched].tolist(), parts.blob.filter(pl.Series(sketched)), strict=True):
            given.setdefault(i, []).append(sketch)
        made = [
            _sketch(values[starting[i] : starting[i] + count[i]], given.get(i, []))
            for i in np.flatnonzero(large).tolist()
        ]
        both = pl.concat([blob, pl.Series(made, dtype=pl.Binary)], rechunk=True)
        blob = both.gather(np.where(large, n + np.cumsum(large) - 1, np.arange(n)))
        return Partials(has, (np.where(large, _SKETCH, count), nan), blob)


def shown_quantile(q: float) -> Finish:
    """The smallest value with a share `q` of all at or below it, Float64; null without any."""

    def finish(parts: Sequence[Partials]) -> Result:
        return _shown(parts[0], q), 0

    return finish


def nearest_rank(q: float, n: Ints) -> Ints:
    """The 1-based rank of the quantile among `n` values; the small number is against the rounding of q * n."""
    return np.maximum(np.ceil(q * n - 1e-9 * n), 1).astype("i8")


def _shown(part: Partials, q: float) -> pl.Series:
    assert part.blob is not None
    count, nan = part.words
    out = np.full(len(part), np.nan)
    exact = (count > 0) | ((count == 0) & (nan > 0))
    rows = np.flatnonzero(exact)
    _, values = _values(part.take(exact))
    starting = np.cumsum(count[rows]) - count[rows]
    rank = nearest_rank(q, count[rows] + nan[rows])
    real = rank <= count[rows]
    out[rows[real]] = values[starting[real] + rank[real] - 1]
    for i in np.flatnonzero(count == _SKETCH).tolist():
        sketch = _read(part.blob[i])
        n = int(sketch.n)
        rank_of = int(nearest_rank(q, np.array([n + nan[i]]))[0])
        if rank_of <= n:
            out[i] = sketch.get_quantile(rank_of / n, True)
    series = pl.Series(out)
    return series if part.has.all() else series.set(pl.Series(~part.has), None)


def _values(parts: Partials) -> tuple[Ints, Floats]:
    assert parts.blob is not None
    items = unpack_lists(parts.blob, parts.words[0], 1, texts=False)
    return items.owner, items.words[0].view("f8")


def _sketch(values: Floats, given: Sequence[bytes]) -> bytes:
    """The sketch of values and sketches."""
    sketch = kll_doubles_sketch(K)
    sketch.update(np.ascontiguousarray(values))
    for other in given:
        sketch.merge(_read(other))
    return bytes(sketch.serialize())


def _read(sketch: bytes) -> kll_doubles_sketch:
    return kll_doubles_sketch.deserialize(sketch)
