"""Definitions as values: what a right declaration holds, and what a wrong one raises outside of a load."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

import headrace as hr
from headrace.durations import DAY, HOUR, MINUTE
from headrace.windows import Window

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "customer_id", "type": "long"},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "millis", "type": "long"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    ],
}
customer = hr.Entity("customer", keys={"customer_id": hr.Int64})
payments = hr.StreamSource("payments", schema=SCHEMA, key="customer_id", timestamp="at")


def view(**options: object) -> hr.FeatureView:
    given: dict[str, object] = {"features": {"n": hr.count(over="1h")}, **options}
    return hr.FeatureView("v", entity=customer, source=payments, **given)  # type: ignore[arg-type]


def test_a_source_knows_its_columns_and_which_may_be_null() -> None:
    assert dict(payments.columns) == {
        "customer_id": hr.Int64,
        "amount": hr.Float64,
        "at": hr.Timestamp,
        "millis": hr.Int64,
        "day": hr.Date,
    }
    assert payments.nullable == {"amount"}
    assert payments.avro_schema is not None


def test_a_source_keeps_durations_in_microseconds_and_its_defaults() -> None:
    source = hr.StreamSource("s", schema=SCHEMA, lateness="5m", max_ahead=timedelta(minutes=10))
    assert (source.lateness, source.max_ahead, source.dedup) == (5 * MINUTE, 10 * MINUTE, None)
    assert (source.topics, source.format, source.framing, source.key) == (("s",), "avro", "none", None)
    assert source.start == "latest"


def test_a_start_instant_is_kept_in_microseconds() -> None:
    source = hr.StreamSource("s", schema=SCHEMA, start="1970-01-01T00:00:01Z")
    assert source.start == 1_000_000


@pytest.mark.parametrize("column", ["at", "millis", "day"])
def test_timestamps_dates_and_epoch_milliseconds_may_be_event_times(column: str) -> None:
    assert hr.StreamSource("s", schema=SCHEMA, timestamp=column).timestamp == column


def test_a_subject_is_framed_by_the_registry_and_its_columns_wait_for_it() -> None:
    source = hr.StreamSource("s", schema=hr.subject("s-value"), timestamp="at")
    assert source.framing == "registry"
    assert not source.is_resolved
    with pytest.raises(hr.DefinitionError, match="columns of subject s-value are not known yet"):
        _ = source.columns
    source.resolve(SCHEMA)
    assert source.columns["at"] == hr.Timestamp


def test_a_subject_whose_schema_lacks_the_event_time_is_refused() -> None:
    source = hr.StreamSource("s", schema=hr.subject("s-value"), timestamp="paid")
    with pytest.raises(hr.DefinitionError, match="timestamp names no column of the schema"):
        source.resolve(SCHEMA)


def test_json_takes_typed_names() -> None:
    source = hr.StreamSource("s", schema={"id": hr.Int64, "tags": hr.List(hr.String)}, format="json")
    assert source.columns["tags"] == hr.List(hr.String)
    assert source.nullable == {"id", "tags"}
    assert source.avro_schema is None


def test_a_text_is_short_for_the_latest_value_over_the_lifetime() -> None:
    made = view(features={"a": "amount", "b": hr.latest("amount")})
    assert made.features["a"] == made.features["b"] == hr.latest("amount", over=hr.lifetime())


def test_a_duration_is_short_for_a_rolling_window() -> None:
    assert hr.sum("amount", over="48h") == hr.sum("amount", over=hr.rolling(timedelta(days=2)))
    assert hr.sum("amount", over="48h").over == Window("rolling", 2 * DAY)


def test_aggregates_compare_by_meaning_and_not_by_place() -> None:
    one = hr.sum("amount", over="1h")
    other = hr.sum("amount", over="1h")
    assert one == other
    assert one.place.line != other.place.line


@pytest.mark.parametrize("version", [3, "3"])
def test_a_version_is_a_label(version: int | str) -> None:
    assert view(version=version).id == "v@3"


def test_a_version_may_have_leading_zeros() -> None:
    assert view(version="V01").version == "V01"


def test_a_view_holds_durations_in_microseconds() -> None:
    made = view(ttl="30d", granularity="5m", max_age="1h")
    assert (made.ttl, made.granularity, made.max_age) == (30 * DAY, 5 * MINUTE, HOUR)


def test_definitions_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        customer.name = "other"  # type: ignore[misc]


def test_definitions_compare_by_identity_and_can_be_keys() -> None:
    twin = hr.Entity("customer", keys={"customer_id": hr.Int64})
    assert twin != customer
    assert len({twin, customer, customer}) == 2


def test_definitions_print_shortly() -> None:
    assert repr(customer) == "Entity('customer')"
    assert repr(view(version="V01")) == "FeatureView('v@V01')"


def test_a_feature_of_a_view_is_named_by_its_index() -> None:
    assert str(view()["n"]) == "v@1:n"
    with pytest.raises(hr.DefinitionError, match="no feature `m`"):
        view()["m"]


def test_a_view_is_not_iterable() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(view())  # type: ignore[call-overload]


def test_a_service_spells_out_whole_views() -> None:
    made = view(features={"n": hr.count(over="1h"), "m": "amount"})
    service = hr.FeatureService("s", features=[made])
    assert [str(ref) for ref in service.refs] == ["v@1:n", "v@1:m"]


def test_a_mistake_outside_of_a_load_is_raised_where_it_is_made() -> None:
    with pytest.raises(hr.DefinitionError) as caught:
        hr.Entity("customer", key={"customer_id": hr.Int64})  # type: ignore[call-arg]
    assert not isinstance(caught.value, hr.ProjectError)
    assert caught.value.file is not None
    assert caught.value.file.endswith("test_declared.py")
    assert (caught.value.definition, caught.value.field) == ("Entity customer", "key")


def test_several_mistakes_of_one_call_are_raised_together() -> None:
    with pytest.raises(hr.ProjectError) as caught:
        hr.StreamSource("s s", schema=SCHEMA, lateness="soon", timestamp="amount")
    assert [e.field for e in caught.value.errors] == ["name", "lateness", "timestamp"]


def test_an_expression_is_checked_when_its_view_is_declared() -> None:
    with pytest.raises(hr.ExpressionError) as caught:
        view(features={"n": hr.sum("amuont", over="1h")})
    assert caught.value.reason == "unknown_column"
    assert caught.value.field == "features.n"


def test_a_wrong_aggregate_is_raised_before_there_is_a_view() -> None:
    with pytest.raises(hr.DefinitionError, match=r"sum\(\) has no argument `ovr`. Did you mean `over`"):
        hr.sum("amount", ovr="1h")  # type: ignore[call-arg]


def test_a_function_of_pandas_is_known_by_its_annotation() -> None:
    def polars(frame):  # type: ignore[no-untyped-def]
        return frame

    def pandas(frame: pd.DataFrame) -> pd.DataFrame:  # type: ignore[name-defined]  # noqa: F821
        return frame

    assert hr.transform(polars).frame == "polars"
    assert hr.transform(pandas).frame == "pandas"
    assert hr.transform(polars, frame="pandas").frame == "pandas"


def test_a_label_that_is_true_is_no_version() -> None:
    with pytest.raises(hr.DefinitionError, match="a version is a label"):
        view(version=True)


def test_a_registered_function_can_be_called_by_the_views_declared_after_it() -> None:
    @hr.function(returns=hr.Float64, name="declared_here")
    def doubled(amount):  # type: ignore[no-untyped-def]
        return amount * 2

    made = view(features={"n": hr.sum("declared_here(amount)", over="1h")})
    assert "declared_here" in made.functions
