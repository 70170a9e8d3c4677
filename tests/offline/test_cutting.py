"""A large partition in parts: the values are the same, and no part is much larger than it may be."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.durations import DAY, HOUR
from headrace.offline import as_of, view_values
from headrace.offline.as_of import Events
from headrace.offline.cutting import by_time, parts_of
from headrace.offline.folding import Column
from headrace.offline.view_values import ViewValues
from headrace.plan import ViewPlan, plan_view
from tests.offline.test_as_of import MOMENTS, assert_equal_the_oracle
from tests.panes.random_views import CASES, frame, streams, views

AFTER_1970 = DAY


def values(
    plan: ViewPlan,
    events: pl.DataFrame,
    rows: list[tuple[int, int]],
    size: int,
    folder: Path | None = None,
    *,
    strict: bool = False,
    known: str = "happened",
) -> pl.DataFrame:
    """The features of each (entity, T), all events in one partition."""
    keys = pl.DataFrame({"e": [e for e, _ in rows]}, schema={"e": pl.Int64})
    at = np.array([t for _, t in rows], "i8")
    with ViewValues(
        plan,
        list(plan.feature_types),
        keys,
        at,
        strict=strict,
        known=known,
        partition_rows=size,
        expected=0,
        folder=folder,
    ) as job:
        for batch in events.iter_slices(7_000):
            job.add(plan.source.kept(batch))
        return job.values(2)


@pytest.mark.parametrize("known", ["happened", "ingested"])
@CASES
@given(stream=streams(), data=st.data(), size=st.sampled_from([1, 2, 5]))
def test_values_in_parts_equal_the_oracle(
    known: str, stream: list[dict[str, Any]], data: st.DataObject, size: int
) -> None:
    view: Any = data.draw(views(sessions=known == "happened"))
    plan = plan_view(view)
    if known == "ingested":  # a record's timestamp before 1970 is none
        stream = [{**ev, "t": ev["t"] + AFTER_1970, "now": ev["now"] + AFTER_1970} for ev in stream]
    instants = [ev["t"] for ev in stream] + [ev["now"] for ev in stream] + [0]
    moment = st.builds(lambda t, d: t + d, st.sampled_from(instants), st.sampled_from(MOMENTS))
    rows = data.draw(st.lists(st.tuples(st.sampled_from([0, 1, 9]), moment), min_size=1, max_size=8))
    strict = data.draw(st.booleans())
    events = frame(stream, 0)
    if known == "ingested":
        events = events.with_columns(_timestamp=pl.Series([ev["now"] for ev in stream], dtype=pl.Int64))
    got = values(plan, events, rows, size, strict=strict, known=known)
    assert_equal_the_oracle(got.get_columns(), view, stream, rows, strict=strict, known=known)


ENTITY = hr.Entity("user", keys={"e": hr.Int64})
SOURCE = hr.StreamSource(
    "events", schema={"e": hr.Int64, "at": hr.Timestamp, "x": hr.Float64}, format="json", timestamp="at"
)
VIEW = plan_view(
    hr.FeatureView(
        "v",
        entity=ENTITY,
        source=SOURCE,
        features={
            "n_1h": hr.count(over="1h"),
            "sum_2d": hr.sum("x", over="2d"),
            "max_2d": hr.max("x", over="2d"),
            "sum_ever": hr.sum("x", over=hr.lifetime()),
            "last": hr.last_n("x", 3, over=hr.lifetime()),
        },
    )
)
EVERY_FOLD = plan_view(
    hr.FeatureView(
        "w",
        entity=ENTITY,
        source=SOURCE,
        features={
            "n": hr.count(over="1h"),
            "whole": hr.sum("cast(x as int)", over="1h"),
            "sum": hr.sum("x", over="1h"),
            "first": hr.first("x", over="1h"),
            "newest": hr.latest("x", over="1h"),
            "last": hr.last_n("x", 3, over="1h"),
        },
    )
)
YEAR = 365 * DAY


def history(n: int, over: int) -> pl.DataFrame:
    """`n` events within `over` microseconds, in no order, of 8 entities: nineteen in twenty of entity 3."""
    random = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "e": np.where(random.random(n) < 0.95, 3, random.integers(0, 8, n)),
            "at": pl.Series(random.integers(0, over, n)).cast(pl.Datetime("us", "UTC")),
            "x": random.integers(-50, 50, n) / 4,  # sums are exact whatever is added to what
            "_partition": pl.Series(np.zeros(n, "i4")),
            "_offset": np.arange(n),
            "_timestamp": np.zeros(n, "i8"),
            "_row": np.arange(n),
        }
    )


def rows_of(n: int, over: int) -> list[tuple[int, int]]:
    random = np.random.default_rng(6)
    return list(
        zip(random.integers(0, 9, n).tolist(), random.integers(-HOUR, over + DAY, n).tolist(), strict=True)
    )


def test_one_entity_with_nearly_all_events_is_computed_in_bounded_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes: list[int] = []

    class Counted(Events):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            sizes.append(len(self.timeline))

    events, rows = history(40_000, YEAR), rows_of(300, YEAR)
    whole = values(VIEW, events, rows, 1_000_000)
    monkeypatch.setattr(view_values, "Events", Counted)
    parted = values(VIEW, events, rows, 1_000, tmp_path)

    assert parted.equals(whole)
    assert whole["sum_2d"].n_unique() > 100
    assert len(sizes) > 30
    assert max(sizes) < 1_000 * 2.5  # a part, and what the windows of two days hold: some 210 events
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_memory_of_an_entity_does_not_grow_with_its_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    largest = []
    for years in (1, 4):
        sizes: list[int] = []

        class Counted(Events):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                sizes.append(len(self.timeline))  # noqa: B023

        monkeypatch.setattr(view_values, "Events", Counted)
        values(VIEW, history(20_000 * years, years * YEAR), rows_of(50, years * YEAR), 1_000)
        largest.append(max(sizes))
    assert largest[1] < 1.5 * largest[0]  # of whole entities side by side: at most twice a part


def test_a_part_goes_before_the_next_is_made_whether_cycles_are_collected_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns: weakref.WeakSet[Column] = weakref.WeakSet()
    still_there = []

    class Noted(Column):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            columns.add(self)

    class Counted(Events):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            still_there.append(len(columns))

    monkeypatch.setattr(as_of, "Column", Noted)
    monkeypatch.setattr(view_values, "Events", Counted)
    gc.disable()
    try:
        values(EVERY_FOLD, history(20_000, YEAR), rows_of(100, YEAR), 1_000)
    finally:
        gc.enable()
    assert len(still_there) > 15
    assert set(still_there) == {0}


def test_small_entities_share_a_part_and_a_large_one_is_cut_by_time() -> None:
    rows = pl.DataFrame(
        {
            "_code": pl.Series([0] * 3 + [1] * 10 + [2] * 3 + [4] * 2, dtype=pl.UInt32),
            "_event_time": [0, 1, 2, *range(100, 110), 0, 1, 2, 5, 6],
        }
    )
    parts = parts_of(lambda: iter([rows]), 5, len(rows), 4, by_time=True)
    assert parts.group.tolist()[0] == 0
    assert parts.group[1] == -1
    assert parts.groups == 2
    assert parts.cuts[1].tolist() == [103, 106]
    numbers = parts.of(rows["_code"].to_numpy().astype("i8"), rows["_event_time"].to_numpy())
    assert np.bincount(numbers, minlength=parts.n).max() <= 6
    assert parts.of(np.array([1, 1]), np.array([-(10**6), 103])).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("features", "more", "cut"),
    [
        ({"n": hr.count(over="1h")}, {}, True),
        ({"n": hr.count(over=hr.lifetime())}, {}, True),
        ({"n": hr.count(over="1h")}, {"ttl": "2h"}, True),
        ({"n": hr.count(over=hr.lifetime())}, {"ttl": "2h"}, False),
        ({"n": hr.count(over=hr.session("1h"))}, {}, False),
    ],
)
def test_what_ends_by_a_pause_is_not_cut_by_time(features: Any, more: Any, cut: bool) -> None:
    plan = plan_view(hr.FeatureView("v", entity=ENTITY, source=SOURCE, features=features, **more))
    assert by_time(plan, plan.computed) is cut
