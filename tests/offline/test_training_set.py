"""Training sets over frames: names, shapes of spines, what is refused, and what is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.definitions import OnDemandView
from headrace.errors import StateError, UsageError
from headrace.offline.metadata import TrainingSet, read_metadata
from headrace.offline.sources import Events, FrameEvents, Source
from headrace.offline.training import Options, training_set
from headrace.plan import plan_view
from headrace.project import Project, Views

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

customer = hr.Entity("customer", keys={"customer_id": hr.Int64})
shop = hr.Entity("shop", keys={"country": hr.String, "shop_id": hr.Int64})
payments = hr.StreamSource(
    "payments",
    schema={
        "customer_id": hr.Int64,
        "country": hr.String,
        "shop_id": hr.Int64,
        "amount": hr.Float64,
        "paid_at": hr.Timestamp,
    },
    format="json",
    key="customer_id",
    timestamp="paid_at",
)
spend = hr.FeatureView(
    "spend",
    entity=customer,
    source=payments,
    features={
        "spent_1h": hr.sum("amount", over="1h"),
        "paid_1h": hr.count(over="1h"),
        "largest": hr.max("amount", over=hr.lifetime()),
        "last_country": "country",
    },
)
sales = hr.FeatureView(
    "sales",
    entity=shop,
    source=payments,
    columns={"country": "upper(country)"},
    features={"sold_1d": hr.sum("amount", over="1d"), "paid_1h": hr.count(over="1h")},
)
risk = OnDemandView(
    "risk",
    inputs=[spend, hr.RequestSource({"amount": hr.Float64})],
    features={"share": "amount / (spent_1h + amount)", "who": "customer_id % 2"},
)
model = hr.FeatureService("model", features=[spend["spent_1h"], risk["share"], sales])
PROJECT = Project(
    root=Path("."),
    entities={"customer": customer, "shop": shop},
    sources={"payments": payments},
    views=Views([spend, sales]),
    services={"model": model},
    on_demand={"risk": risk},
    plans={v.id: plan_view(v) for v in (spend, sales)},
)

EVENTS = pl.DataFrame(
    [
        (1, "de", 7, 10.0, T0),
        (1, "fr", 7, 5.0, T0 + 10 * MINUTE),
        (2, "de", 7, 1.0, T0 + 20 * MINUTE),
        (1, "de", 8, 2.5, T0 + 90 * MINUTE),
    ],
    schema={n: t.polars for n, t in payments.columns.items()},
    orient="row",
)
SPINE = pl.DataFrame(
    {
        "customer_id": [1, 2, 1, 3, 1],
        "timestamp": [T0 + 10 * MINUTE, T0 + 15 * MINUTE, T0 - MINUTE, T0, T0 + 100 * MINUTE],
        "label": ["a", "b", None, "d", "e"],
    }
)


def made(spine: Any, features: Any, events: pl.DataFrame = EVENTS, **options: Any) -> TrainingSet:
    def opened(source: Source) -> Events:
        return FrameEvents(source, events.lazy())

    return training_set(PROJECT, spine, features, opened, Options(**options))


def test_each_row_gets_the_values_as_of_its_own_instant() -> None:
    got = made(SPINE, "spend")
    assert got.columns == [
        "customer_id",
        "timestamp",
        "label",
        "spent_1h",
        "paid_1h",
        "largest",
        "last_country",
    ]
    assert got.select(SPINE.columns).equals(SPINE)
    assert got["spent_1h"].to_list() == [15.0, 0.0, 0.0, 0.0, 2.5]
    assert got["paid_1h"].to_list() == [2, 0, 0, 0, 1]
    assert got["largest"].to_list() == [10.0, None, None, None, 10.0]
    assert got["last_country"].to_list() == ["fr", None, None, None, "de"]


def test_strict_leaves_out_events_at_the_very_instant() -> None:
    got = made(SPINE, ["spend:paid_1h", "spend:last_country"], strict=True)
    assert got["paid_1h"].to_list() == [1, 0, 0, 0, 1]
    assert got["last_country"].to_list() == ["de", None, None, None, "de"]


def test_only_what_had_arrived_is_known_if_asked_so() -> None:
    late = EVENTS.with_columns(
        _timestamp=pl.col("paid_at") + pl.Series([MINUTE, 2 * MINUTE, MINUTE, 30 * MINUTE])
    )
    got = made(SPINE, "spend:paid_1h", late, known="ingested")
    assert got["paid_1h"].to_list() == [1, 0, 0, 0, 0]
    assert made(SPINE, "spend:paid_1h", late)["paid_1h"].to_list() == [2, 0, 0, 0, 1]


def test_a_late_event_counts_by_its_event_time() -> None:
    shuffled = EVENTS[[3, 1, 0, 2]]
    assert made(SPINE, "spend", shuffled).equals(made(SPINE, "spend"))


def test_several_entities_and_a_service_in_one_call() -> None:
    spine = SPINE.with_columns(country=pl.lit("DE"), shop_id=pl.lit(7), amount=pl.lit(5.0))
    got = made(spine, "model")
    assert got.columns[6:] == ["spent_1h", "share", "sold_1d", "paid_1h"]
    assert got["sold_1d"].to_list() == [10.0, 10.0, 0.0, 10.0, 11.0]
    assert got["share"].to_list() == [0.25, 1.0, 1.0, 1.0, 5 / 7.5]


def test_on_demand_features_read_keys_and_need_their_views_features_not() -> None:
    got = made(SPINE.with_columns(amount=pl.lit(5)), "risk")
    assert got.columns[4:] == ["share", "who"]
    assert got["who"].to_list() == [1, 0, 1, 1, 1]


def test_a_name_that_is_taken_is_prefixed_with_its_view() -> None:
    spine = SPINE.with_columns(country=pl.lit("DE"), shop_id=pl.lit(7), largest=0)
    got = made(spine, ["spend", "sales:paid_1h"])
    assert got.columns[5:] == [
        "largest",
        "spent_1h",
        "paid_1h",
        "spend:largest",
        "last_country",
        "sales:paid_1h",
    ]


@pytest.mark.parametrize(
    "shape",
    [
        lambda s, tmp: s.to_pandas(),
        lambda s, tmp: s.to_arrow(),
        lambda s, tmp: s.lazy(),
        lambda s, tmp: s.to_dicts(),
        lambda s, tmp: s.with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
        lambda s, tmp: s.with_columns(
            pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns")
        ),
        lambda s, tmp: s.with_columns(pl.col("timestamp").dt.cast_time_unit("ms")),
        lambda s, tmp: s.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        lambda s, tmp: s.with_columns(pl.col("timestamp").dt.timestamp("us")),
        lambda s, tmp: s.with_columns(pl.col("customer_id").cast(pl.Int32)),
        lambda s, tmp: _written(s, tmp / "spine.parquet"),
        lambda s, tmp: _written(s, tmp / "spine.csv"),
    ],
    ids=[
        "pandas",
        "pyarrow",
        "lazy",
        "dicts",
        "naive",
        "zone ns",
        "ms",
        "text",
        "micros",
        "int32",
        "parquet",
        "csv",
    ],
)
def test_a_spine_may_come_in_any_shape(shape: Any, tmp_path: Path) -> None:
    got = made(shape(SPINE, tmp_path), "spend")
    assert got["spent_1h"].to_list() == [15.0, 0.0, 0.0, 0.0, 2.5]


def _written(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def test_whole_floats_are_keys_as_pandas_makes_them_beside_nulls() -> None:
    spine = pd.DataFrame({"customer_id": [1.0, None], "timestamp": [T0, T0]})
    assert made(spine, "spend:paid_1h")["paid_1h"].to_list() == [1, 0]


def test_duplicate_rows_stay_and_no_rows_give_none() -> None:
    twice = pl.concat([SPINE, SPINE[:2]])
    assert made(twice, "spend")[5:].equals(made(SPINE, "spend")[:2])
    empty = made(SPINE[:0], "spend")
    assert empty.schema == made(SPINE, "spend").schema
    assert empty.height == 0


def test_no_events_read_as_over_no_events() -> None:
    got = made(SPINE, "spend", EVENTS[:0])
    assert got["paid_1h"].to_list() == [0] * 5
    assert got["largest"].to_list() == [None] * 5


def test_partitions_and_threads_change_nothing(tmp_path: Path) -> None:
    whole = made(SPINE, ["spend"])
    assert made(SPINE, ["spend"], partition_rows=1, threads=1, folder=tmp_path).equals(whole)
    assert list(tmp_path.iterdir()) == []


def test_a_date_is_its_midnight_and_the_column_may_be_named() -> None:
    spine = pl.DataFrame({"customer_id": [1, 1], "day": [date(2026, 1, 1), date(2026, 1, 2)]})
    assert made(spine, "spend:largest", timestamp="day")["largest"].to_list() == [None, 10.0]


def test_the_only_column_of_datetimes_is_the_instant_whatever_its_name() -> None:
    assert made(SPINE.rename({"timestamp": "decided"}), "spend:paid_1h")["paid_1h"].to_list() == [
        2,
        0,
        0,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("spine", "features", "options", "told"),
    [
        (SPINE.drop("customer_id"), "spend", {}, "no column `customer_id`, a key of the entity customer"),
        (SPINE.drop("timestamp"), "spend", {}, "no column `timestamp`"),
        (SPINE, "spend", {"timestamp": "timestmap"}, "no column `timestmap`. Did you mean `timestamp`?"),
        (SPINE.with_columns(customer_id=pl.lit("x")), "spend", {}, "`customer_id` is String, but a key"),
        (SPINE.with_columns(customer_id=pl.lit(1.5)), "spend", {}, "`customer_id` is Float64, but a key"),
        (
            SPINE.with_columns(timestamp=pl.lit(True)),
            "spend",
            {},
            "`timestamp` is Boolean: expected instants",
        ),
        (SPINE.with_columns(timestamp=pl.lit("soon")), "spend", {}, "in row 0 is no instant: got 'soon'"),
        (SPINE.with_columns(timestamp=pl.lit(None)), "spend", {}, "is null in 5 rows, first in row 0"),
        (SPINE, "spend:spent_2h", {}, "has no feature `spent_2h`. Did you mean `spent_1h`?"),
        (SPINE, "spent:spent_1h", {}, "no view `spent`. Did you mean `spend`?"),
        (SPINE, "spend@2:spent_1h", {}, "view `spend` has no version `2`, only 1"),
        (SPINE, [], {}, "no features are asked for"),
        (SPINE, [3], {}, "a feature is named 'view:feature', not 3"),
        (SPINE, "risk", {}, "no column `amount`, which a request brings to the on-demand view risk"),
        (SPINE, "spend", {"known": "guessed"}, "known is 'happened' or 'ingested', not 'guessed'"),
        ("nowhere.parquet", "spend", {}, "there is no spine at nowhere.parquet"),
        (3, "spend", {}, "a spine is a Parquet or CSV file"),
    ],
)
def test_a_bad_call_is_answered(spine: Any, features: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        made(spine, features, **options)
    assert told in str(refused.value)


def test_instants_without_a_zone_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    naive = SPINE.with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    got = made(naive, ["spend", "spend:paid_1h"])
    assert [r.message for r in caplog.records] == ["the spine's `timestamp` has no time zone: taken as UTC"]
    assert got.metadata["notes"] == [r.message for r in caplog.records]


def test_the_metadata_goes_into_parquet_arrow_and_pandas(tmp_path: Path) -> None:
    got = made(SPINE, ["spend:paid_1h"], strict=True)
    assert got.metadata["views"] == {"spend@1": PROJECT.plan("spend").fingerprint}
    assert got.metadata["features"] == {"paid_1h": "spend@1:paid_1h"}
    assert (got.metadata["strict"], got.metadata["rows"]) == (True, 5)
    code = got.metadata["code"]
    assert set(code) == {"headrace", "polars", "numpy", "deltalake"}
    assert (code["headrace"], code["polars"]) == (hr.__version__, pl.__version__)
    got.write_parquet(tmp_path / "out.parquet")
    assert read_metadata(str(tmp_path / "out.parquet")) == got.metadata
    assert pl.read_parquet(tmp_path / "out.parquet").equals(got)
    assert b"headrace" in got.to_arrow().schema.metadata
    assert isinstance(got.to_arrow(), pa.Table)
    assert got.to_pandas().attrs["headrace"] == got.metadata


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from headrace.offline import view_values

    original = view_values.Partitions
    monkeypatch.setattr(view_values, "Partitions", lambda n, folder: original(n, folder, in_memory=0))
    gone = tmp_path / "gone"
    with pytest.raises(StateError, match=r"no room for the events of a training set in .*gone"):
        made(SPINE, "spend", folder=gone)


def test_a_copy_of_an_event_counts_once_and_a_late_one_not_for_sessions() -> None:
    source = hr.StreamSource(
        "payments",
        schema={"id": hr.Int64, "customer_id": hr.Int64, "paid_at": hr.Timestamp},
        format="json",
        key="customer_id",
        timestamp="paid_at",
        event_id="id",
        dedup="1h",
    )
    features = {"paid_1d": hr.count(over="1d"), "visit": hr.count(over=hr.session("30m"))}
    view = hr.FeatureView("visits", entity=customer, source=source, features=features)
    project = Project(
        root=Path("."), sources={"payments": source}, views=Views([view]), plans={view.id: plan_view(view)}
    )
    events = pl.DataFrame(
        {
            "id": [1, 2, 2, 3, 4],
            "customer_id": [1] * 5,
            "paid_at": [T0, T0 + 10 * MINUTE, T0 + 10 * MINUTE, T0 + 20 * MINUTE, T0 + 5 * MINUTE],
            "_timestamp": [T0, T0 + 10 * MINUTE, T0 + 11 * MINUTE, T0 + 20 * MINUTE, T0 + 50 * MINUTE],
        }
    )
    got = training_set(project, SPINE[4:], "visits", lambda s: FrameEvents(s, events.lazy()))
    assert got["paid_1d"].to_list() == [4]
    spine = SPINE[:1].with_columns(timestamp=pl.lit(T0 + 21 * MINUTE))
    got = training_set(project, spine, "visits", lambda s: FrameEvents(s, events.lazy()))
    assert got["visit"].to_list() == [3]
