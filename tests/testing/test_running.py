"""Definitions tested in memory: push, advance, online, redis, offline, training sets, dead letters."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import UsageError
from headrace.testing import evaluate, run

NOW = "2026-01-01T00:00:00Z"
SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "customer_id", "type": ["null", "long"]},
        {"name": "paid_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "amount", "type": "double"},
        {"name": "country", "type": ["null", "string"], "default": None},
        {"name": "card", "type": ["null", "string"], "default": None},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
        {
            "name": "fee",
            "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}],
            "default": None,
        },
    ],
}


def payments(**more: Any) -> hr.StreamSource:
    given = {"schema": SCHEMA, "key": "customer_id", "timestamp": "paid_at", "max_ahead": "10m", **more}
    return hr.StreamSource("payments", **given)


def spend(source: hr.StreamSource | None = None, **more: Any) -> hr.FeatureView:
    features = {
        "last_country": "country",
        "spend_48h": hr.sum("amount", over="48h"),
        "payments_1h": hr.count(over=hr.tumbling("1h")),
        "fees": hr.sum("fee", over=hr.lifetime()),
    }
    customer = hr.Entity("customer", keys={"customer_id": hr.Int64})
    given = {"version": 3, "entity": customer, "source": source or payments(), "features": features, **more}
    return hr.FeatureView("customer_spend", **given)


def paid(at: object, amount: float = 1.0, customer: int | None = 7, **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "paid_at": at, "amount": amount, **more}


def test_a_push_is_what_redis_holds() -> None:
    test = run(spend(), now=NOW)
    test.push([paid(NOW, 12.5, country="DE", fee=Decimal("0.10"))])
    assert test.redis() == {
        "shop:customer_spend@3:7": {
            "last_country": "DE",
            "spend_48h": "12.5",
            "payments_1h": "1",
            "fees": "0.10",
            "_event_time": "2026-01-01T00:00:00.000000Z",
            "_as_of": "2026-01-01T00:00:00.000000Z",
            "_written_at": "2026-01-01T00:00:00.000000Z",
        }
    }
    assert test.online({"customer_id": 7}) == {
        "last_country": "DE",
        "spend_48h": 12.5,
        "payments_1h": 1,
        "fees": Decimal("0.10"),
    }


def test_an_entity_never_seen_reads_as_the_values_over_no_events() -> None:
    assert run(spend(), now=NOW).online({"customer_id": 1}) == {
        "last_country": None,
        "spend_48h": 0.0,
        "payments_1h": 0,
        "fees": Decimal("0.00"),
    }


def test_values_fall_as_the_clock_advances() -> None:
    test = run(spend(), now=NOW)
    test.push([paid("2025-12-31T23:30:00Z", 2.0), paid(NOW, 1.0)])
    assert test.online({"customer_id": 7})["spend_48h"] == 3.0
    test.advance("59m")
    assert test.online({"customer_id": 7})["payments_1h"] == 1
    test.advance("1m")
    assert test.online({"customer_id": 7})["payments_1h"] == 0
    test.advance("45h")  # steps of an hour: at 22:00 the hour of 23:00 is still inside
    assert test.online({"customer_id": 7})["spend_48h"] == 3.0
    test.advance("1h")
    assert test.online({"customer_id": 7})["spend_48h"] == 1.0


def test_an_entity_whose_windows_are_empty_leaves_redis_and_state() -> None:
    view = spend(features={"n": hr.count(over="1h"), "m": hr.max("amount", over="24h")})
    test = run(view, now=NOW)
    test.push([paid(NOW)])
    test.advance("2h")
    assert test.online({"customer_id": 7}) == {"n": 0, "m": 1.0}
    test.advance("22h")
    assert test.redis() == {}
    assert test.online({"customer_id": 7}) == {"n": 0, "m": None}
    assert list(test._views["customer_spend"].entities()) == []


def test_at_the_end_of_its_ttl_an_entity_begins_anew() -> None:
    test = run(spend(ttl="3d"), now=NOW)
    test.push([paid(NOW, fee="1.00")])
    test.advance("2d")
    test.push([paid("2026-01-03T00:00:00Z", fee="2.00")])
    test.advance("71h")
    assert test.online({"customer_id": 7})["fees"] == Decimal("3.00")
    test.advance("1h")
    assert test.redis() == {}
    test.push([paid("2026-01-06T00:00:00Z", fee="5.00")])
    assert test.online({"customer_id": 7})["fees"] == Decimal("5.00")


def test_a_late_event_still_counts_where_its_window_holds_it() -> None:
    test = run(spend(), now=NOW)
    test.push([paid(NOW, 1.0, country="DE")])
    test.push([paid("2025-12-31T12:00:00Z", 2.0, country="FR")])
    found = test.online({"customer_id": 7})
    assert (found["spend_48h"], found["payments_1h"], found["last_country"]) == (3.0, 1, "DE")


def test_bad_records_are_dead_letters_and_the_others_count() -> None:
    test = run(spend(), now=NOW)
    test.push(
        [
            paid(NOW, "much"),  # type: ignore[arg-type]
            paid(None),
            paid("2026-01-01T00:10:00.000001Z"),
            paid(NOW, customer=None),
            {"customer_id": 7, "paid_at": NOW},
            paid("2026-01-01T00:10:00Z", 5.0),
        ]
    )
    assert [(d["reason"], d["offset"]) for d in test.dead_letters] == [
        ("decode", 0),
        ("timestamp_missing", 1),
        ("timestamp_future", 2),
        ("null_key", 3),
        ("decode", 4),
    ]
    assert test.dead_letters[0]["detail"] == "field `amount`: expected Float64, got 'much'"
    assert test.dead_letters[4]["detail"] == "field `amount`: expected Float64, got nothing"
    assert test.dead_letters[1]["value"] == paid(None)
    assert test.online({"customer_id": 7})["spend_48h"] == 5.0


def test_a_key_that_is_null_for_one_view_alone_is_no_dead_letter() -> None:
    card = hr.Entity("card", keys={"card": hr.String})
    by_card = hr.FeatureView("cards", entity=card, source=spend().source, features={"n": hr.count(over="1h")})
    test = run([spend(by_card.source), by_card], now=NOW)
    test.push([paid(NOW)])
    assert test.dead_letters == []
    assert test.redis().keys() == {"shop:customer_spend@3:7"}


@pytest.mark.parametrize(
    "at", [NOW, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), 1767225600000000]
)
def test_timestamps_are_text_datetimes_or_microseconds(at: object) -> None:
    view = spend(features={"at": "paid_at", "day": "day"})
    test = run(view, now=NOW)
    test.push([paid(at, day=date(2026, 1, 1))])
    assert test.online({"customer_id": 7}) == {
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "day": date(2026, 1, 1),
    }


def test_offline_is_what_online_is() -> None:
    test = run(spend(), now=NOW)
    test.push([paid(NOW, 1.0, country="DE"), paid("2025-12-30T12:00:00Z", 2.0), paid(NOW, 4.0, customer=8)])
    test.advance("30m")
    frame = test.offline()
    assert frame["customer_id"].to_list() == [7, 8]
    for row in frame.iter_rows(named=True):
        expected = test.online({"customer_id": row["customer_id"]})
        assert {k: row[k] for k in expected} == expected


def test_a_training_set_never_sees_the_future() -> None:
    test = run(spend(), now="2026-01-03T00:00:00Z")
    test.push([paid(NOW, 1.0), paid("2026-01-02T00:00:00Z", 2.0)])
    instants = ["2025-12-31T23:59:59Z", NOW, "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"]
    spine = [{"customer_id": 7, "timestamp": at, "label": i} for i, at in enumerate(instants)]
    for given in (
        spine,
        pl.DataFrame(spine),
        pl.DataFrame(spine).to_arrow(),
        pl.DataFrame(spine).to_pandas(),
    ):
        found = test.training_set(given, ["customer_spend:spend_48h"])
        assert found.columns == ["customer_id", "timestamp", "label", "spend_48h"]
        assert found["spend_48h"].to_list() == [0.0, 1.0, 1.0, 3.0]
    strict = test.training_set(spine, [test._views["customer_spend"].plan.view["spend_48h"]], strict=True)
    assert strict["spend_48h"].to_list() == [0.0, 0.0, 1.0, 1.0]


def test_several_views_and_sources_are_told_apart() -> None:
    other = payments(topics=["refunds"])
    refunds = hr.StreamSource("refunds", schema=SCHEMA, key="customer_id", timestamp="paid_at")
    back = hr.FeatureView(
        "refunds_back", entity=spend().entity, source=refunds, features={"n": hr.count(over="1h")}
    )
    test = run([spend(other), back], now=NOW)
    test.push([paid(NOW)], source="refunds")
    assert test.online({"customer_id": 7}, view="refunds_back") == {"n": 1}
    assert test.online({"customer_id": 7}, view="customer_spend")["payments_1h"] == 0
    with pytest.raises(UsageError, match="say source=, one of payments, refunds"):
        test.push([paid(NOW)])
    with pytest.raises(UsageError, match="Did you mean `refunds_back`"):
        test.online({"customer_id": 7}, view="refund_back")
    with pytest.raises(UsageError, match="expected the keys customer_id, got customer"):
        test.online({"customer": 7}, view="refunds_back")


def test_a_fixed_clock_leaves_later_events_to_history() -> None:
    test = run(spend(payments(max_ahead=None)), now=NOW, clock="2025-12-31T12:00:00Z")
    test.push([paid("2025-12-31T11:00:00Z", 1.0), paid(NOW, 2.0)])
    assert test.online({"customer_id": 7})["spend_48h"] == 1.0
    assert test.redis()["shop:customer_spend@3:7"]["_as_of"] == "2025-12-31T12:00:00.000000Z"


def test_one_expression_over_a_table() -> None:
    table = pa.table({"amount": pa.array([1, None, 3], pa.int64())})
    assert evaluate("amount * 2", table).to_pylist() == [2, None, 6]
