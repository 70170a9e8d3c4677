"""Names in Redis: columns, Python and the way back agree, and no two entities share a name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as Dec

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UsageError
from headrace.online.keys import KeySpace, entity_key, parse_entity_key, python_entity_key, redis_key
from headrace.types import Bool, Bytes, DataType, Date, Decimal, Float64, Int32, Int64, String, Timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VALUES: dict[DataType, st.SearchStrategy[object]] = {
    Int32: st.integers(-(2**31), 2**31 - 1),
    Int64: st.integers(-(2**63), 2**63 - 1),
    String: st.text(st.characters(codec="utf-8")) | st.text("a%|:{}\n\x7f0123456789ABCDEFé"),
    Bool: st.booleans(),
    Date: st.dates(),
    Timestamp: st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(
        lambda us: EPOCH + timedelta(microseconds=us)
    ),
    Decimal(38, 4): st.decimals(-(10**34) + 1, 10**34 - 1, places=4),
    Bytes: st.binary(max_size=20),
}


def column_text(values: tuple[object, ...], types: tuple[DataType, ...]) -> str | None:
    frame = pl.DataFrame(
        {str(i): pl.Series([v], dtype=t.polars) for i, (v, t) in enumerate(zip(values, types, strict=True))}
    )
    text: str | None = frame.select(entity_key([str(i) for i in range(len(types))], types)).item()
    return text


@given(st.data(), st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3).map(tuple))
def test_column_and_python_agree_and_the_text_reads_back(
    data: st.DataObject, types: tuple[DataType, ...]
) -> None:
    values = tuple(data.draw(VALUES[t]) for t in types)
    text = python_entity_key(values, types)
    assert column_text(values, types) == text
    assert parse_entity_key(text, types) == values
    assert not set(text.replace("|", "")) & set(":{}") - {"|"}
    assert text.count("|") == len(types) - 1


@pytest.mark.parametrize(
    ("values", "types", "text"),
    [
        ((42,), (Int64,), "42"),
        (("u42",), (String,), "u42"),
        (("", ""), (String, String), "|"),
        (("a|b", 1), (String, Int64), "a%7Cb|1"),
        (("100%:{x}\n\x7f",), (String,), "100%25%3A%7Bx%7D%0A%7F"),
        (("naïve 😀",), (String,), "naïve 😀"),
        (("\x85",), (String,), "\x85"),
        ((True, date(2026, 1, 2)), (Bool, Date), "true|2026-01-02"),
        ((datetime(2026, 1, 2, 3, 4, 5, 6, UTC),), (Timestamp,), "2026-01-02T03%3A04%3A05.000006Z"),
        ((Dec("1.5"),), (Decimal(9, 2),), "1.50"),
        ((b"\xff",), (Bytes,), "/w=="),
    ],
)
def test_an_entity_has_the_text_of_the_public_layout(
    values: tuple[object, ...], types: tuple[DataType, ...], text: str
) -> None:
    assert python_entity_key(values, types) == text
    assert column_text(values, types) == text


def test_a_null_in_any_part_is_no_entity() -> None:
    frame = pl.DataFrame({"a": ["x", None, "z"], "b": [1, 2, None]})
    text = frame.select(entity_key(["a", pl.col("b") + 1], [String, Int64])).to_series()
    assert text.to_list() == ["x|2", None, None]


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ((None,), (Int64,)),
        (("42",), (Int64,)),
        ((True,), (Int64,)),
        ((2**31,), (Int32,)),
        ((42,), (String,)),
        ((1,), (Bool,)),
        ((datetime(2026, 1, 1),), (Date,)),
        (("tomorrow",), (Timestamp,)),
        ((Dec("1.555"),), (Decimal(9, 2),)),
        ((Dec("10000000"),), (Decimal(9, 2),)),
        ((1.5,), (Float64,)),
        ((1, 2), (Int64,)),
    ],
)
def test_a_value_that_is_not_of_the_keys_type_is_refused(
    values: tuple[object, ...], types: tuple[DataType, ...]
) -> None:
    with pytest.raises(UsageError):
        python_entity_key(values, types)


def test_instants_of_other_zones_and_texts_are_the_same_entity() -> None:
    east = datetime(2026, 1, 2, 5, tzinfo=timezone(timedelta(hours=2)))
    for value in (east, datetime(2026, 1, 2, 3), "2026-01-02T03:00:00Z", "2026-01-02T05:00:00+02:00"):
        assert python_entity_key([value], [Timestamp]) == "2026-01-02T03%3A00%3A00.000000Z"


@pytest.mark.parametrize("text", ["", "1|2|3", "1|x"])
def test_a_text_of_other_keys_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_entity_key(text, [Int64, Int64])


def test_a_float_cannot_be_a_key() -> None:
    with pytest.raises(UsageError, match="a join key of type Float64 has no text"):
        pl.DataFrame({"a": [1.5]}).select(entity_key(["a"], [Float64]))


def test_the_key_of_an_entity_names_project_view_and_version() -> None:
    assert redis_key("shop", "customer_spend", "3", "42") == "shop:customer_spend@3:42"
    assert redis_key("shop", "customer_spend", "V01", "a|1", hash_tag=True) == "shop:customer_spend@V01:{a|1}"


@pytest.mark.parametrize("hash_tag", [False, True])
def test_keys_of_a_column_are_those_of_python_and_give_the_entity_back(hash_tag: bool) -> None:
    space = KeySpace("shop", "spend", "3", hash_tag)
    column = pl.DataFrame({"k": ["a|1", "", None]}).select(space.redis_keys(pl.col("k"))).to_series()
    assert column.to_list() == [space.redis_key("a|1"), space.redis_key(""), None]
    assert space.entity_text(space.redis_key("a|1")) == "a|1"
    assert space.entity_text("shop:other@3:1") is None


def test_a_fence_never_has_the_name_of_an_entity() -> None:
    # The name of a view begins with a letter, a fence's second part with an underscore.
    assert KeySpace("shop", "spend", "3").fence_key(7) == "shop:_fence:spend@3:7"
