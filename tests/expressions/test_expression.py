"""What a compiled expression tells of itself, and how it runs over frames."""

from __future__ import annotations

import datetime
import decimal

import polars as pl
import pytest

from headrace.errors import DefinitionError, ExpressionError
from headrace.expressions import cast_expression, compile_expression
from headrace.types import (
    Bool,
    DataType,
    Decimal,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)

SCHEMA: dict[str, DataType] = {
    "Amount": Float64,
    "qty": Int32,
    "price": Decimal(12, 2),
    "name": String,
    "tags": List(String),
    "attrs": Map(String, String),
    "geo": Struct({"lat": Float64}),
    "at": Timestamp,
}


def frame(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame({n: pl.Series(v, dtype=SCHEMA[n].polars) for n, v in columns.items()})


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as error:
        compile_expression(text, SCHEMA)
    return error.value


def test_columns_are_named_as_the_schema_spells_them() -> None:
    e = compile_expression("AMOUNT + Qty * size(transform(TAGS, x -> x || NAME))", SCHEMA)
    assert e.columns == {"Amount", "qty", "tags", "name"}
    assert e.deterministic


def test_a_lambda_variable_hides_a_column_and_is_none() -> None:
    assert compile_expression("transform(tags, name -> upper(name))", SCHEMA).columns == {"tags"}


def test_a_constant_fills_every_row_and_no_row() -> None:
    e = compile_expression("1.5 + 1", SCHEMA)
    assert (e.type, e.columns) == (Decimal(3, 1), frozenset())
    assert e.evaluate(frame(qty=[1, 2])).to_list() == [decimal.Decimal("2.5"), decimal.Decimal("2.5")]
    assert e.evaluate(frame(qty=[])).to_list() == []


def test_the_expression_has_no_alias_and_can_be_given_one() -> None:
    e = compile_expression("qty + 1", SCHEMA)
    assert frame(qty=[1]).select(e.polars.alias("next")).to_dict(as_series=False) == {"next": [2]}


def test_division_is_rounded_once_whatever_the_number_of_rows() -> None:
    e = compile_expression("qty / 10", SCHEMA)
    assert e.evaluate(frame(qty=[3])).to_list() == [0.3]
    assert e.evaluate(frame(qty=[3, 6, 7])).to_list() == [0.3, 0.6, 0.7]


def test_zero_and_minus_zero_are_not_mixed_up_by_the_value_cache() -> None:
    e = compile_expression("cast(amount as string)", SCHEMA)
    assert e.evaluate(frame(Amount=[0.0, -0.0, 0.0])).to_list() == ["0.0", "-0.0", "0.0"]


def test_random_numbers_come_from_topic_partition_and_offset() -> None:
    e = compile_expression("rand()", SCHEMA)
    assert not e.deterministic

    def draw(topic: str, partition: int, offset: int) -> float:
        row = pl.DataFrame({"_topic": [topic], "_partition": [partition], "_offset": [offset]})
        return float(e.evaluate(row)[0])

    assert draw("t", 0, 5) == draw("t", 0, 5)
    assert len({draw("t", 0, 5), draw("t", 0, 6), draw("t", 1, 5), draw("u", 0, 5)}) == 4


def test_two_draws_of_one_row_differ_and_so_do_seeds() -> None:
    rows = pl.DataFrame({"_topic": ["t"], "_partition": [0], "_offset": [0]})
    values = [
        compile_expression(text, {}).evaluate(rows)[0]
        for text in ("rand()", "rand(1)", "rand() + 0 * rand()", "0 * rand() + rand()")
    ]
    assert values[0] == values[2]
    assert len(set(values)) == 3


def test_rand_is_uniform_and_randn_normal() -> None:
    n = 20_000
    rows = pl.DataFrame({"_topic": ["t"] * n, "_partition": [0] * n, "_offset": range(n)})
    uniform = compile_expression("rand()", {}).evaluate(rows)
    normal = compile_expression("randn()", {}).evaluate(rows)
    assert uniform.min() >= 0.0  # type: ignore[operator]
    assert uniform.max() < 1.0  # type: ignore[operator]
    assert abs(uniform.mean() - 0.5) < 0.01  # type: ignore[operator]
    assert abs(normal.mean()) < 0.03  # type: ignore[arg-type]
    assert abs(normal.std() - 1.0) < 0.03  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        ("amuont + 1", "unknown_column", "Did you mean `Amount`?"),
        ("geo.lot", "unknown_column", "Did you mean `lat`?"),
        ("uper(name)", "unknown_function", "Did you mean `upper`?"),
        ("substring(name)", "wrong_arity", "takes 2 to 3 arguments, got 1"),
        ("size(name)", "type_mismatch", "takes an array or a map as argument 1, got string"),
        ("amount + (qty > 1)", "type_mismatch", "got double and boolean"),
        ("sum(amount)", "aggregate", "hr.sum"),
        ("lag(amount)", "window", "window function"),
        ("current_date", "unsupported", "a replay would give another value"),
        ("user", "unsupported", "no property of an event"),
        ("at - at", "unsupported", "timestampdiff"),
        ("name rlike '('", "type_mismatch", "no regular expression"),
        ("date_format(at, 'YYYY')", "type_mismatch", "no date pattern"),
        ("qty as x", "syntax", "has no alias"),
        ("qty + + ", "syntax", "the text ends"),
        ("(qty", "syntax", "character 1"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(text: str, reason: str, told: str) -> None:
    error = refused(text)
    assert error.reason == reason
    assert told in str(error)
    assert f"`{text}`" in str(error)


def test_a_deeply_nested_text_is_an_answer_not_a_crash() -> None:
    assert refused("(" * 5000 + "1" + ")" * 5000).reason == "syntax"


def test_an_expression_error_is_a_definition_error_that_can_be_located() -> None:
    error = refused("nope").located(definition="FeatureView v", field="features.x")
    assert isinstance(error, DefinitionError)
    assert str(error).startswith("FeatureView v features.x: there is no column `nope`")


def test_cast_expression_is_sparks_cast() -> None:
    texts = pl.DataFrame({"x": ["12.9", "abc", None]})
    assert texts.select(cast_expression(pl.col("x"), String, Int64).alias("x"))["x"].to_list() == [
        12,
        None,
        None,
    ]
    flags = pl.DataFrame({"x": [True, None]})
    assert flags.select(cast_expression(pl.col("x"), Bool, String).alias("x"))["x"].to_list() == [
        "true",
        None,
    ]


def test_timestamps_are_utc_whatever_the_session() -> None:
    e = compile_expression("hour(at)", SCHEMA)
    noon = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)
    assert e.evaluate(frame(at=[noon])).to_list() == [12]


def test_a_column_named_like_a_function_without_parentheses_comes_first() -> None:
    columns = {"user": String, "current_date": Int64}
    assert compile_expression("upper(User)", columns).type == String
    assert compile_expression("current_date + 1", columns).type == Int64
