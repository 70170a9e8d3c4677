"""Published updates as Avro: the schema of a view's updates, and what a reader of them decodes."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import polars as pl

import headrace as hr
from headrace.plan import ViewPlan, plan_view
from headrace.publishing import encoded_updates, update_schema
from headrace.types import Map, Struct

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "i": 7,
    "f": 2.5,
    "s": "ä",
    "b": True,
    "y": b"\x00",
    "d": Decimal("12.50"),
    "on": date(2026, 1, 1),
    "at": AT,
    "l": ["x", None],
    "m": [{"key": "a", "value": 1}],
    "n": [{"key": 1, "value": "a"}],
    "t": {"u": 1, "v": None},
}


def plan() -> ViewPlan:
    columns = {
        "id": hr.Int64,
        "day": hr.Date,
        "i": hr.Int32,
        "f": hr.Float64,
        "s": hr.String,
        "b": hr.Bool,
        "y": hr.Bytes,
        "d": hr.Decimal(10, 2),
        "on": hr.Date,
        "at": hr.Timestamp,
        "l": hr.List(hr.String),
        "m": Map(hr.String, hr.Int64),
        "n": Map(hr.Int64, hr.String),
        "t": Struct({"u": hr.Int64, "v": hr.String}),
    }
    source = hr.StreamSource("events", schema=columns, format="json", key="id", timestamp="at")
    entity = hr.Entity("thing", keys={"id": hr.Int64, "day": hr.Date})
    features = {f"f_{name}": hr.latest(name, over=hr.lifetime()) for name in VALUES}
    return plan_view(hr.FeatureView("seen", entity=entity, source=source, features=features))


def online(view: ViewPlan) -> pl.DataFrame:
    given = [
        pl.Series(f"f_{n}", [v, v], dtype=view.feature_types[f"f_{n}"].polars) for n, v in VALUES.items()
    ]
    at = int(AT.timestamp()) * 1_000_000
    return pl.DataFrame(
        [
            pl.Series("_key", ["42|2026-01-01", "43|2026-01-02"]),
            *given,
            pl.Series("_event_time", [at, at]),
            pl.Series("_as_of", [at, at + 1]),
            pl.Series("_remove", [False, True]),
        ]
    )


def decoded(value: bytes, schema: Any) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(value), fastavro.parse_schema(dict(schema)))  # type: ignore[call-arg]


def test_an_update_has_the_keys_all_features_and_when_they_were_so() -> None:
    view = plan()
    schema = update_schema(view, "my-shop")
    assert schema.name == "headrace.my_shop.seen"
    first, gone = (decoded(v, schema.raw) for v in encoded_updates(view, schema, online(view), 9, None))
    expected = VALUES | {"m": {"a": 1}}
    assert first == {
        "id": 42,
        "day": date(2026, 1, 1),
        **{f"f_{name}": value for name, value in expected.items()},
        "_event_time": AT,
        "_as_of": AT,
        "_version": 9,
        "_view_version": "1",
        "_removed": False,
    }
    assert gone["id"] == 43
    assert gone["_removed"] is True
    assert all(gone[f"f_{name}"] is None for name in VALUES)


def test_updates_are_framed_with_the_id_of_the_registry() -> None:
    view = plan()
    schema = update_schema(view, "shop")
    bare = encoded_updates(view, schema, online(view), 1, None)
    framed = encoded_updates(view, schema, online(view), 1, 258)
    assert framed == [b"\x00\x00\x00\x01\x02" + value for value in bare]
