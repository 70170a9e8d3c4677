"""What a derived view reads, how its topic is keyed, and what makes it another view."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import headrace as hr
from headrace.definitions import UpdateSource
from headrace.plan import ViewPlan, plan_view
from headrace.plan.change import change_of
from headrace.plan.fingerprint import fingerprint_of

EVER = hr.lifetime()
user = hr.Entity("user", keys={"user": hr.Int64})
shop = hr.Entity("shop", keys={"shop": hr.String})
pair = hr.Entity("pair", keys={"user": hr.Int64, "shop": hr.String})


def view(name: str, entity: hr.Entity, source: Any, **more: Any) -> hr.FeatureView:
    given = {"features": {"n": hr.count(over=EVER), "last_shop": hr.latest("shop")}, **more}
    return hr.FeatureView(name, entity=entity, source=source, **given)


def stream(**more: Any) -> hr.StreamSource:
    schema = {"user": hr.Int64, "shop": hr.String, "at": hr.Timestamp}
    given = {"format": "json", "schema": schema, "key": "user", "timestamp": "at", "lateness": "5m", **more}
    return hr.StreamSource("events", **given)


def source_of(plan: ViewPlan) -> UpdateSource:
    assert isinstance(plan.source.source, UpdateSource)
    return plan.source.source


def test_the_columns_of_a_derived_view_are_the_keys_and_the_features_below_it() -> None:
    below = view("below", user, stream())
    plan = plan_view(view("above", user, below, features={"x": "concat(last_shop, n)", "u": "user"}))
    assert plan.feature_types == {"x": hr.String, "u": hr.Int64}
    assert source_of(plan).name == "below@1"
    assert plan.projection.before == {"user": hr.Int64, "n": hr.Int64, "last_shop": hr.String}
    assert plan.lateness == 300_000_000


def test_what_an_update_tells_of_itself_is_no_column() -> None:
    with pytest.raises(hr.DefinitionError, match="no column `_event_time`"):
        view("above", user, view("below", user, stream()), features={"at": "_event_time"})


def test_updates_keep_to_the_partition_that_computed_them() -> None:
    local = view("local", user, stream())
    assert (
        source_of(plan_view(view("above", user, local, features={"m": hr.max("n", over=EVER)}))).key == "user"
    )
    both = view("both", pair, stream())  # computed where the user's events are
    assert (
        source_of(plan_view(view("above", user, both, features={"m": hr.max("n", over=EVER)}))).key == "user"
    )
    sent = view("sent", shop, stream())  # behind a shuffle, by its own key
    assert (
        source_of(plan_view(view("above", shop, sent, features={"m": hr.max("n", over=EVER)}))).key == "shop"
    )
    nowhere = view("nowhere", pair, stream(key=None))
    assert (
        source_of(plan_view(view("above", user, nowhere, features={"m": hr.max("n", over=EVER)}))).key is None
    )


def test_a_derived_view_is_shuffled_when_its_entity_is_elsewhere() -> None:
    features = {"m": hr.max("n", over=EVER)}
    below = view("below", user, stream())
    assert not plan_view(view("same", user, below, features=features)).shuffled
    assert plan_view(view("other", shop, below, columns={"shop": "last_shop"}, features=features)).shuffled
    assert plan_view(view("made", user, below, columns={"user": "user + 1"}, features=features)).shuffled
    nowhere = view("nowhere", pair, stream(key=None))
    assert plan_view(view("again", pair, nowhere, features=features)).shuffled


def test_a_change_below_is_a_change_above() -> None:
    def above(version: int = 1, over: hr.Window = EVER, words: str = "") -> hr.FeatureView:
        below = view(
            "below", user, stream(), version=version, features={"n": hr.count(over=over)}, description=words
        )
        return view("above", user, below, features={"m": hr.max("n", over=EVER)})

    assert fingerprint_of(above()) == fingerprint_of(above(words="said otherwise"))
    assert change_of(above(), above(words="said otherwise")).keeps_state
    assert change_of(above(), above(over=hr.tumbling("1h"))).reasons == (
        "the view that it is derived from changed",
    )
    assert change_of(above(), above(version=2)).reasons == ("its source changed",)


def test_only_updates_with_values_and_of_its_version_are_events() -> None:
    below = view("below", user, stream(), version=2)
    plan = plan_view(view("above", user, below, features={"m": hr.max("n", over=EVER)}))
    at = 1_767_268_800_000_000
    frame = pl.DataFrame(
        {
            "user": [1, 2, 3],
            "n": [10, None, 30],
            "last_shop": ["a", None, "c"],
            "_event_time": [at, at, at],
            "_as_of": [at + 1, at + 1, at + 9],
            "_version": [5, 5, 5],
            "_view_version": ["2", "2", "1"],
            "_removed": [False, True, False],
            "_partition": [0, 0, 0],
            "_offset": [0, 1, 2],
            "_timestamp": [at + 5, at + 5, at + 5],
            "_row": [0, 1, 2],
        },
        schema_overrides={"_event_time": hr.Timestamp.polars, "_as_of": hr.Timestamp.polars},
    )
    accepted = plan.source.accept(frame, clock="wall")
    assert accepted.dead == []
    assert accepted.frame.select("user", "n", "_event_time", "_timestamp").rows() == [(1, 10, at, at + 1)]
    later = frame.with_columns(_as_of=pl.lit(at + 60).cast(hr.Timestamp.polars))  # values of the future
    assert plan.source.accept(later, clock="wall").frame["_timestamp"].to_list() == [at + 5]
