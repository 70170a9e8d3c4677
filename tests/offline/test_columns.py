"""Events from before a schema changed read as Avro's resolution would read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import headrace as hr
from headrace.offline.columns import is_as_stored
from headrace.offline.sources import FrameEvents

AT = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS: list[dict[str, Any]] = [
    {"name": "user", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "n", "type": "long"},
    {"name": "currency", "type": "string", "default": "EUR"},
    {"name": "note", "type": ["string", "null"], "default": "none"},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": ["a", "b"]},
    {
        "name": "place",
        "type": {"type": "record", "name": "Place", "fields": [{"name": "zip", "type": "int"}]},
        "default": {"zip": 7},
    },
]
pay = hr.StreamSource("pay", schema={"type": "record", "name": "Pay", "fields": FIELDS}, timestamp="at")
NAMES = {f["name"] for f in FIELDS}


def read(frame: pl.DataFrame) -> list[dict[str, Any]]:
    (batch,) = FrameEvents(pay, frame.lazy()).batches(NAMES, 0, 2**60)
    return batch.select("n", "currency", "note", "tags", "place").to_dicts()


def test_a_field_that_was_not_there_yet_has_its_default() -> None:
    old = pl.DataFrame({"user": ["ann"], "at": [AT], "n": [1]}, schema_overrides={"n": pl.Int32})
    assert read(old) == [{"n": 1, "currency": "EUR", "note": "none", "tags": ["a", "b"], "place": {"zip": 7}}]


def test_a_null_where_the_schema_has_none_is_from_before_the_field() -> None:
    both = pl.DataFrame(
        {
            "user": ["ann", "bob"],
            "at": [AT, AT],
            "n": [1, 2],
            "currency": [None, "USD"],
            "note": [None, "x"],
            "tags": [None, ["c"]],
            "place": [None, {"zip": 9}],
        }
    )
    assert read(both) == [
        {"n": 1, "currency": "EUR", "note": None, "tags": ["a", "b"], "place": {"zip": 7}},
        {"n": 2, "currency": "USD", "note": "x", "tags": ["c"], "place": {"zip": 9}},
    ]


@pytest.mark.parametrize(
    ("name", "stored"), [("user", True), ("currency", False), ("note", True), ("n", False), ("gone", False)]
)
def test_a_condition_is_asked_of_files_only_where_they_say_what_is_read(name: str, stored: bool) -> None:
    have = pl.Schema({"user": pl.String(), "currency": pl.String(), "note": pl.String(), "n": pl.Int32()})
    assert is_as_stored(pay, name, have) is stored
