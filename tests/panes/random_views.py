"""Random views and streams for property tests, with what their expressions mean in Python."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import windows
from headrace.aggregates import declare

SECOND = 1_000_000

CASES = settings(  # CASES=10000 for a long run
    max_examples=int(os.environ.get("CASES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
SCHEMA = {
    "e": hr.Int64,
    "t": hr.Timestamp,
    "i": hr.Int64,
    "f": hr.Float64,
    "d": hr.Decimal(10, 2),
    "w": hr.Decimal(30, 4),
    "s": hr.String,
    "b": hr.Bool,
    "l": hr.List(hr.String),
    "id": hr.Int64,
}
VALUES = {name: (lambda row, name=name: row[name]) for name in SCHEMA} | {
    "i > 0": lambda row: None if row["i"] is None else row["i"] > 0,
    "s = 'a'": lambda row: None if row["s"] is None else row["s"] == "a",
    "coalesce(i, 7)": lambda row: 7 if row["i"] is None else row["i"],
    "i % 3": lambda row: None if row["i"] is None else abs(row["i"]) % 3 * (1 if row["i"] >= 0 else -1),
    "made": lambda row: None if row["i"] is None else row["i"] > 0,
    "length(s) + 1": lambda row: None if row["s"] is None else len(row["s"]) + 1,
}
COLUMNS = {"made": "i > 0"}
WHERE = [None, None, "b", "i > 0", "s = 'a'", "made"]
NUMBERS = ["i", "f", "d", "w", "coalesce(i, 7)", "i % 3", "length(s) + 1"]


def seconds(n: int) -> timedelta:
    return timedelta(seconds=n)


def window(*, sessions: bool = True) -> st.SearchStrategy[Any]:
    """Windows of seconds: with few panes (all in the head) and with many (in runs)."""
    sizes = st.sampled_from([1, 5, 20])
    steps = st.sampled_from([(10, 1), (20, 5), (30, 1), (60, 2), (200, 1), (200, 10)])
    offset = st.sampled_from([0, 0, 1, 3]).map(seconds)
    closed = st.booleans()
    gaps = st.sampled_from([1, 5, 20])
    of_sessions = st.builds(lambda g, c: windows.session(seconds(g), closed=c), gaps, closed)
    return st.one_of(
        of_sessions if sessions else st.just(windows.lifetime()),
        st.builds(lambda s, c, o: windows.tumbling(seconds(s), closed=c, offset=o), sizes, closed, offset),
        st.builds(
            lambda p, c, o: windows.hopping(*map(seconds, p), closed=c, offset=o), steps, closed, offset
        ),
        st.builds(lambda p, o: windows.rolling(*map(seconds, p), offset=o), steps, offset),
        st.just(windows.lifetime()),
    )


def aggregate(*, sessions: bool = True) -> st.SearchStrategy[Any]:
    """Any aggregate but ratio."""

    def made(function: str, over: Any, where: str | None, data: tuple[str, str, str, int, bool, int]) -> Any:
        number, ordered, anything, few, population, half_life = data
        make = getattr(declare, function)
        if function == "count":
            return make(None if population else anything, over=over, where=where)
        if function in ("count_if", "any", "all"):
            return make("b", over=over, where=where)
        if function in ("sum", "avg"):
            return make(number, over=over, where=where)
        if function == "decayed_sum":
            return make(number, seconds(half_life), over=over if population else None, where=where)
        if function in ("quantile", "median"):
            return make(number, *[few / 7] * (function == "quantile"), over=over, where=where)
        if function in ("last_n", "first_n", "top_k"):
            return make(ordered if function == "top_k" else anything, few, over=over, where=where)
        if function == "count_distinct":
            return make(ordered, over=over, where=where)
        if function in ("stddev", "variance"):
            return make("f" if population else "i", over=over, where=where, population=population)
        return make(ordered if function in ("min", "max") else anything, over=over, where=where)

    functions = [
        "count",
        "count_if",
        "sum",
        "avg",
        "min",
        "max",
        "stddev",
        "variance",
        "first",
        "latest",
        "any",
        "all",
        "last_n",
        "first_n",
        "count_distinct",
        "quantile",
        "median",
        "top_k",
        "decayed_sum",
    ]
    ordered = st.sampled_from([*NUMBERS, "s", "b", "t"])
    choice = st.tuples(
        st.sampled_from(NUMBERS),
        ordered,
        st.sampled_from(list(SCHEMA)),
        st.integers(1, 7),
        st.booleans(),
        st.sampled_from([1, 5, 60]),
    )
    return st.builds(
        made, st.sampled_from(functions), window(sessions=sessions), st.sampled_from(WHERE), choice
    )


@st.composite
def views(
    draw: st.DrawFn, *, ttl: bool = True, dedup: bool = False, sessions: bool = False
) -> hr.FeatureView:
    """A view of one to five features; with `dedup`, of a source that may know its events by an id; with
    `sessions`, some of session windows."""
    found = draw(st.lists(aggregate(sessions=sessions), min_size=1, max_size=5))
    features = {f"f{i}": a for i, a in enumerate(found)}
    if draw(st.integers(0, 3)) == 0:
        a, b = draw(
            st.lists(
                st.builds(_number, window(sessions=sessions), st.sampled_from(WHERE)), min_size=2, max_size=2
            )
        )
        features["r"] = declare.ratio(a, b)
    lateness = draw(st.sampled_from([0, 0, 3, 30]))
    known = draw(st.sampled_from([{}, {"event_id": "id", "dedup": "5s"}, {"event_id": "id", "dedup": "60s"}]))
    known = known if dedup else {}
    source = hr.StreamSource(
        "events", schema=SCHEMA, format="json", key="e", timestamp="t", lateness=seconds(lateness), **known
    )
    where = draw(st.sampled_from([None, None, "i > 0"]))
    age = draw(st.sampled_from([None, None, 15, 90])) if ttl else None
    entity = hr.Entity("entity", keys={"e": hr.Int64})
    return hr.FeatureView(
        "v",
        entity=entity,
        source=source,
        where=where,
        columns=COLUMNS,
        features=features,
        ttl=age and seconds(age),
    )


def _number(over: Any, where: str | None) -> Any:
    return declare.sum("i", over=over, where=where)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values, values, values)


def decimals(digits: int, scale: int) -> st.SearchStrategy[Any]:
    largest = 10**digits - 1
    return st.integers(-largest, largest).map(lambda n: Decimal(f"{n}E-{scale}"))


def rows() -> st.SearchStrategy[Any]:
    """An event without its time: small numbers mostly, the largest sometimes."""
    return st.fixed_dictionaries(
        {
            "e": st.sampled_from([0, 1, 2, 3]),
            "i": optional(st.one_of(st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63)]))),
            "f": optional(
                st.one_of(
                    st.floats(-1e9, 1e9).map(lambda x: x + 0.0), st.sampled_from([float("nan"), float("inf")])
                )
            ),
            "d": optional(decimals(10, 2)),
            "w": optional(st.one_of(decimals(3, 4), decimals(30, 4))),
            "s": optional(st.sampled_from(["", "a", "b", "ä", "zz" * 20])),
            "b": optional(st.booleans()),
            "id": optional(st.integers(1, 4)),
            "l": optional(st.lists(optional(st.sampled_from(["x", "y"])), max_size=2)),
        }
    )


@st.composite
def streams(draw: st.DrawFn, max_size: int = 40) -> list[dict[str, Any]]:
    """Events in arrival order: time moves on in jumps, some events are late or early, some of one time."""
    now, out = draw(st.integers(-100, 100)) * SECOND, []
    size = draw(st.sampled_from([3, 10, 20, 40]).map(lambda n: min(n, max_size)))
    for row in draw(st.lists(rows(), min_size=size // 2, max_size=size)):
        now += draw(st.sampled_from([0, 0, 1, 1_000, 300_000, SECOND, 4 * SECOND, 12 * SECOND, 40 * SECOND]))
        behind = draw(
            st.sampled_from(
                [0, 0, 0, 0, 1, 500_000, 2 * SECOND, 9 * SECOND, 70 * SECOND, -SECOND, -30 * SECOND]
            )
        )
        out.append({**row, "t": now - behind, "now": now})
    return out


def frame(events: list[dict[str, Any]], first: int) -> pl.DataFrame:
    """A source's frame of events, with offsets from `first` on; the entity decides the partition."""
    columns = {}
    for name, t in SCHEMA.items():
        given = [ev[name] for ev in events]
        columns[name] = pl.Series(name, given, dtype=pl.Int64 if name == "t" else t.polars).cast(t.polars)
    n = len(events)
    return pl.DataFrame(
        {
            **columns,
            "_partition": pl.Series([ev["e"] % 2 for ev in events], dtype=pl.Int32),
            "_offset": pl.Series(range(first, first + n), dtype=pl.Int64),
            "_timestamp": pl.Series([ev["now"] for ev in events], dtype=pl.Int64),
            "_row": pl.Series(range(n), dtype=pl.Int64),
        }
    )
