"""Lists, sketches and decay as a user of `headrace.testing` sees them: values, Redis text, training sets."""

from __future__ import annotations

from typing import Any

import headrace as hr
from headrace.testing import Run, run

SOURCE = hr.StreamSource(
    "visits",
    schema={"user": hr.String, "at": hr.Timestamp, "page": hr.String, "spent": hr.Float64, "old": hr.Bool},
    format="json",
    key="user",
    timestamp="at",
)


def visits(features: dict[str, Any], *pages: tuple[str, str | None, float]) -> Run:
    view = hr.FeatureView(
        "visiting", entity=hr.Entity("user", keys={"user": hr.String}), source=SOURCE, features=features
    )
    test = run(view, now="2026-01-01T00:00:00Z")
    events = [
        {"user": "ann", "at": f"2025-12-31T23:{at}Z", "page": page, "spent": spent, "old": False}
        for at, page, spent in pages
    ]
    test.push(events)
    return test


def test_lists_are_json_in_redis_and_empty_again_when_their_events_are_gone() -> None:
    features = {
        "pages": hr.last_n("page", 2, over="1h"),
        "first_pages": hr.first_n("page", 2, over="1h"),
        "best": hr.top_k("page", 2, over="1h", default=["home"]),
        "spent": hr.last_n("spent", 2, over="1h", where="page = 'b'"),
        "ever": hr.count(over=hr.lifetime()),
    }
    pages = [
        ("50:00", "b", 1.5),
        ("51:00", "a", 2.0),
        ("52:00", None, 0.0),
        ("53:00", "c", 4.0),
        ("54:00", "c", 1.0),
    ]
    test = visits(features, *pages)
    assert test.redis() == {
        "shop:visiting@1:ann": {
            "pages": '["c","c"]',
            "first_pages": '["a","b"]',
            "best": '["c","a"]',
            "spent": "[1.5]",
            "ever": "5",
            **stamps(test),
        }
    }
    assert test.online({"user": "ann"})["pages"] == ["c", "c"]
    test.advance("2h")
    gone = {"pages": [], "first_pages": [], "best": ["home"], "spent": [], "ever": 5}
    assert test.online({"user": "ann"}) == gone
    assert test.offline().select(*gone).to_dicts() == [gone]
    assert test.online({"user": "bob"}) == {**gone, "ever": 0}


def test_a_decayed_sum_falls_though_nothing_arrives() -> None:
    test = visits({"spent": hr.decayed_sum("spent", "1h")}, ("00:00", "a", 64.0), ("30:00", "a", 64.0))
    # As of midnight the first is one half-life old, the second half of one.
    assert test.online({"user": "ann"}) == {"spent": 32.0 + 64.0 * 0.5**0.5}
    before = test.online({"user": "ann"})
    test.advance("59m")
    assert test.online({"user": "ann"}) == before
    test.advance("1m")
    assert test.online({"user": "ann"}) == {"spent": 16.0 + 32.0 * 0.5**0.5}
    assert test.offline()["spent"].to_list() == [16.0 + 32.0 * 0.5**0.5]
    test.advance("24h")
    assert test.redis() == {}


def test_what_has_just_come_counts_in_full() -> None:
    test = visits({"spent": hr.decayed_sum("spent", "4h", over=hr.lifetime())})
    test.advance("30m")
    test.push([{"user": "ann", "at": "2026-01-01T00:29:00Z", "page": "a", "spent": 8.0, "old": False}])
    assert test.online({"user": "ann"}) == {"spent": 8.0}


def test_quantiles_and_distinct_counts_of_few_values_are_exact_and_agree_with_a_training_set() -> None:
    features = {
        "pages": hr.count_distinct("page", over="1h"),
        "typical": hr.median("spent", over="1h"),
        "large": hr.quantile("spent", 0.9, over="1h"),
        "rate": hr.ratio(hr.count_distinct("page", over="1h"), hr.count(over="1h")),
    }
    test = visits(features, *((f"{i}:00", f"p{i % 4}", float(i)) for i in range(10, 30)))
    expected = {"pages": 4, "typical": 19.0, "large": 27.0, "rate": 0.2}
    assert test.online({"user": "ann"}) == expected
    spine = [
        {"user": "ann", "timestamp": "2026-01-01T00:00:00Z"},
        {"user": "eve", "timestamp": "2026-01-01T00:00:00Z"},
    ]
    rows = test.training_set(spine).select(*expected).to_dicts()
    assert rows == [expected, {"pages": 0, "typical": None, "large": None, "rate": None}]


def test_a_sketch_spans_flushes_and_panes() -> None:
    test = visits({"n": hr.count_distinct("page", over="1h"), "typical": hr.median("spent", over="1h")})
    for minute in range(30):
        test.push(
            [
                {
                    "user": "ann",
                    "at": f"2025-12-31T23:{minute + 20}:00Z",
                    "page": f"{i}",
                    "spent": float(i),
                    "old": False,
                }
                for i in range(minute * 100, minute * 100 + 300)
            ]
        )
    got = test.online({"user": "ann"})
    assert isinstance(got["n"], int)
    assert isinstance(got["typical"], float)
    assert abs(got["n"] - 3200) < 3200 * 0.05
    assert abs(got["typical"] - 1600) < 3200 * 0.03
    assert test.offline()["n"].to_list() == [3200]


def stamps(test: Run) -> dict[str, str]:
    return {k: v for k, v in test.redis()["shop:visiting@1:ann"].items() if k.startswith("_")}
