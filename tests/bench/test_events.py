"""The benchmark's events are what their schema says, and the same in columns and on the topic."""

from __future__ import annotations

import io

import fastavro
import numpy as np
import pytest

from bench.events import PADDED, SCHEMA, T0, columns, datum, datums, encoded, partitions, user


@pytest.mark.parametrize(("pad", "schema"), [(0, SCHEMA), (10, PADDED), (300, PADDED)])
def test_a_datum_made_in_columns_is_the_event(pad: int, schema: dict[str, object]) -> None:
    events = columns(500, 50)
    parsed = fastavro.parse_schema(schema)
    for i, value in enumerate(datums(events, pad)):
        left = io.BytesIO(value)
        read = fastavro.schemaless_reader(left, parsed, None)
        assert read.pop("pad", "") == "x" * pad
        assert read == {
            "event_id": f"e{i:012d}",
            "user_id": user(int(events.users[i])),
            "merchant_id": f"m{events.merchants[i]:05d}",
            "amount": events.amounts[i],
            "currency": "EUR",
            "country": "DE",
            "device": "ios" if i % 3 else None,
            "ts": events.at[i],
            "is_online": bool(i & 1),
            "item_count": i % 7,
        }
        assert left.read() == b""


def test_fifty_thousand_events_are_a_minute() -> None:
    at = columns(50_001, 10).at
    assert abs(at[-1] - at[0] - 60_000) <= 40
    assert T0 <= at.min() < T0 + 60


def test_nine_of_ten_events_of_a_hot_run_are_of_one_user() -> None:
    users = columns(10_000, 1_000, "hot").users
    assert 8_900 < np.count_nonzero(users == 0) < 9_300


def test_a_user_has_one_partition_and_users_are_on_all_of_them() -> None:
    assert set(partitions(100)) == {0, 1, 2, 3}
    assert partitions(3) == partitions(100)[:3]


def test_a_datum_made_alone_is_an_event_of_its_instant() -> None:
    value = io.BytesIO(datum(7, b"p00000007", encoded(T0)))
    read = fastavro.schemaless_reader(value, fastavro.parse_schema(SCHEMA), None)
    assert read == {
        "event_id": "e000000000007",
        "user_id": "p00000007",
        "merchant_id": "m00001",
        "amount": 1.5,
        "currency": "EUR",
        "country": "DE",
        "device": None,
        "ts": T0,
        "is_online": True,
        "item_count": 1,
    }
