"""Entities as they are typed."""

from __future__ import annotations

from decimal import Decimal

import pytest

import headrace as hr
from headrace.cli.get import age_of, spoken
from headrace.cli.keys import entities_of, typed

COLUMNS = {"carrier": hr.String, "dest": hr.String, "day": hr.Date, "number": hr.Int64, "at": hr.Timestamp}
flights = hr.StreamSource("flights", schema=COLUMNS, format="json", timestamp="at")


def view(*keys: str) -> hr.FeatureView:
    entity = hr.Entity("e", keys={k: COLUMNS[k] for k in keys})
    return hr.FeatureView("v", entity=entity, source=flights, features={"n": hr.count(over="1h")})


def test_one_key_is_its_text_whatever_is_in_it() -> None:
    assert entities_of(view("dest"), ["LAX", "a|b", "x=1"]) == [
        {"dest": "LAX"},
        {"dest": "a|b"},
        {"dest": "x=1"},
    ]


def test_several_keys_are_joined_by_bars_in_key_order() -> None:
    assert entities_of(view("carrier", "number"), ["UA|7", "A%7CB|8"]) == [
        {"carrier": "UA", "number": 7},
        {"carrier": "A|B", "number": 8},
    ]


def test_keys_may_be_named_in_any_order_and_each_alone() -> None:
    made = view("carrier", "dest")
    expected = [{"carrier": "UA", "dest": "LAX"}]
    assert entities_of(made, ["dest=LAX", "carrier=UA"]) == expected
    assert entities_of(made, ["dest=LAX,carrier=UA"]) == expected
    assert entities_of(made, ["DEST=LAX", "carrier=UA", "carrier=B6", "dest=a,b"]) == [
        *expected,
        {"carrier": "B6", "dest": "a,b"},
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["UA"],
            "the entity `e` has the keys carrier, dest: write 'carrier|dest' or carrier=... dest=..., not 'UA'",
        ),
        (["UA|LAX|1"], "the entity `e` has the keys carrier, dest"),
        (["carier=UA"], "Did you mean `carrier`?"),
        (["carrier=UA"], "the entity `e` needs dest=..., too"),
        (["carrier=UA", "carrier=B6"], "`carrier` is given again before dest of the same entity"),
    ],
)
def test_keys_that_do_not_fit_are_told_how(given: list[str], message: str) -> None:
    with pytest.raises(hr.UsageError) as caught:
        entities_of(view("carrier", "dest"), given)
    assert message in str(caught.value)


def test_texts_become_values_of_the_keys_type() -> None:
    assert typed("-7", hr.Int32, "k") == -7
    assert typed("TRUE", hr.Bool, "k") is True
    assert typed("1.50", hr.Decimal(5, 2), "k") == Decimal("1.50")
    assert typed("AAE=", hr.Bytes, "k") == b"\0\1"
    assert typed("2026-01-01", hr.Date, "k") == "2026-01-01"
    with pytest.raises(hr.UsageError, match="`k` is Bool, not 'maybe'"):
        typed("maybe", hr.Bool, "k")


def test_age_is_counted_from_the_newest_event() -> None:
    assert age_of(None, 5) is None
    assert age_of(1_000_000, 3_500_000) == 2.5
    assert age_of(9_000_000, 3_500_000) == 0.0


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "0.2 s"), (61, "1.0 min"), (5400, "1.5 h"), (172800, "2.0 d")]
)
def test_ages_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
